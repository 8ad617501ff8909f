"""A round 巡诊 of a sickbed at home is a visit to its elder while the sickbed stands: http://hl7.org/fhir/R4/encounter.html, docs/adr/0057"""

from collections.abc import Mapping
from typing import Any, Final

from services.fhir.access.grants import name_in
from services.fhir.business import Change, Context, RefusedChange
from services.fhir.outcomes import FhirError, unprocessable

Json = dict[str, Any]

CLASSES: Final = frozenset({"HH", "FLD"})
_MODE: Final = "https://yiyang.example/fhir/CodeSystem/service-mode"
_STANDING: Final = frozenset({"active", "onhold"})
_MADE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})


async def check_round(place: int, change: Change, others: Mapping[str, Json], context: Context) -> None:
    """What it was before is no new mistake: a round is looked at when it begins, or when it names another sickbed."""
    after = change.after or {}
    if not is_round(after) or after.get("status") not in _MADE:
        return
    known = {name_in(each) for each in (change.before or {}).get("episodeOfCare", ())}
    began = (change.before or {}).get("status") in _MADE
    for n, reference in enumerate(after.get("episodeOfCare", ())):
        name = name_in(reference) or ""
        if began and name in known:
            continue
        episode = await _episode(name, others, context)
        if episode is not None and (error := fault(after, episode, n)):
            raise RefusedChange(error, place)


def is_round(encounter: Json) -> bool:
    return encounter.get("class", {}).get("code") in CLASSES


def is_home_bed(episode: Json) -> bool:
    codings = (c for each in episode.get("type", ()) for c in each.get("coding", ()))
    return any((c.get("system"), c.get("code")) == (_MODE, "home-bed") for c in codings)


def fault(encounter: Json, episode: Json, number: int) -> FhirError | None:
    """Why this is no round of that sickbed; None of an episode that is no sickbed."""
    if not is_home_bed(episode):
        return None
    where = (f"Encounter.episodeOfCare[{number}]",)
    if name_in(episode.get("patient")) != name_in(encounter.get("subject")):
        return unprocessable(
            "The sickbed is another patient's", code="business-rule", text="家庭病床不属于该患者", expression=where
        )
    if episode.get("status") not in _STANDING:
        return unprocessable(
            "The sickbed is not set up, or withdrawn",
            code="business-rule",
            text="家庭病床未建床或已撤床",
            expression=where,
        )
    return None


async def _episode(name: str, others: Mapping[str, Json], context: Context) -> Json | None:
    if not name.startswith("EpisodeOfCare/"):
        return None
    if name in others:
        return others[name]
    found = await context.read(*name.split("/", 1))
    return found[0] if found else None
