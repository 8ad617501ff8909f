"""Services that an elder has 入住、家庭病床、家庭医生: one home and one sickbed at a time, and what each was before it changed (docs/adr/0054).

http://hl7.org/fhir/R4/episodeofcare.html
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.fhir.access.grants import name_in
from services.fhir.business import Change, Context, Decision, Hold
from services.fhir.histories import with_history
from services.fhir.outcomes import conflict, unprocessable
from services.fhir.search.dates import parse_range
from services.fhir.store.grants import unknown_patient

Json = dict[str, Any]

MODE: Final = "https://yiyang.example/fhir/CodeSystem/service-mode"
RESIDENTIAL: Final = "residential"
HOME_BED: Final = "home-bed"
_ONCE: Final = {RESIDENTIAL: "residency", HOME_BED: "home-bed"}
_STANDING: Final = frozenset({"active", "onhold"})


def modes_of(episode: Json | None) -> frozenset[str]:
    """The ways of service, as the platform codes them."""
    codings = (c for each in (episode or {}).get("type", ()) for c in each.get("coding", ()))
    return frozenset(c["code"] for c in codings if c.get("system") == MODE and "code" in c)


def is_standing(episode: Json | None) -> bool:
    """While an elder is in hospital, the residency is on hold and her place is kept."""
    return episode is not None and episode.get("status") in _STANDING


def only_ones(episode: Json | None) -> frozenset[str]:
    """The keys of what its patient has once: a home to live in, a sickbed at home."""
    patient = name_in((episode or {}).get("patient"))
    if not is_standing(episode) or not patient:
        return frozenset()
    return frozenset(f"{key}:{patient}" for mode, key in _ONCE.items() if mode in modes_of(episode))


def check_home_bed(episode: Json) -> None:
    """A sickbed at home 家庭病床 has an institution and a person who answer for it, and a first day."""
    if HOME_BED not in modes_of(episode) or not is_standing(episode):
        return
    for there, element, english, chinese in (
        (episode.get("managingOrganization"), "managingOrganization", "the institution is missing", "缺少建床机构"),
        (episode.get("period", {}).get("start"), "period.start", "the first day is missing", "缺少建床日期"),
        (episode.get("careManager") or episode.get("team"), "careManager", "who answers for it is missing", "缺少责任医生或团队"),
    ):  # fmt: skip
        if not there:
            raise unprocessable(
                f"A sickbed at home: {english}",
                code="business-rule",
                text=f"家庭病床{chinese}",
                expression=(f"EpisodeOfCare.{element}",),
            )


async def decide_episode(place: int, change: Change, beside: Mapping[str, Json], context: Context) -> Decision:
    """Nothing for an episode of care that is none of these services; `beside` is what the same commit writes."""
    before, after = change.before, change.after
    if not modes_of(before) and not modes_of(after):
        return Decision()
    if after is not None and not (is_standing(before) and HOME_BED in modes_of(before)):
        check_home_bed(after)
    ends = _ends(after, context)
    left, taken = only_ones(before), frozenset() if ends and ends <= context.at else only_ones(after)
    body = after
    if before is not None and after is not None:
        body = with_history(before, after, "status", context.at.astimezone(context.zone))
    holder = f"EpisodeOfCare/{change.id}"
    await _check_free(sorted(taken), holder, beside, context)
    return Decision(
        bodies={place: body} if body is not None and body != after else {},
        takes=tuple(Hold(key, holder, until=ends) for key in sorted(taken)),
        frees=tuple(f"{holder} {key}" for key in sorted(left - taken)),
    )


def _ends(episode: Json | None, context: Context) -> datetime | None:
    """After the last day that the episode itself gives, whether or not somebody closes it then."""
    text = (episode or {}).get("period", {}).get("end")
    return parse_range(text, context.zone)[1] if text else None


async def _check_free(keys: Sequence[str], holder: str, beside: Mapping[str, Json], context: Context) -> None:
    """Where another episode holds the key, tell what to do; which one it is only to who may read it, and nothing to who does not know the patient."""
    found = await context.holders(keys) if keys else {}
    for key, other in sorted(found.items()):
        if other == holder or other in beside:
            continue
        if not await context.seen(*key.partition(":")[2].split("/", 1)):
            raise unknown_patient("EpisodeOfCare.patient")
        seen = await context.seen(*other.split("/", 1))
        name = f" ({other})" if seen else ""
        english = f"Another episode of the same service still stands{name}: its institution finishes it, or gives its period.end; until then write this one as planned"
        chinese = f"该老人的同类服务（入住或家庭病床）仍有一份在册{name}：请其机构办结（finished）或填写结束日期，此前可先登记为 planned"
        raise conflict(english, text=chinese, expression=("EpisodeOfCare.type",))
