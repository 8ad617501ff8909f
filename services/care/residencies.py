"""Services that an elder has 入住、家庭病床、家庭医生: one home and one sickbed at a time, and what each was before it changed (docs/adr/0054).

http://hl7.org/fhir/R4/episodeofcare.html
"""

from typing import Any, Final

from services.fhir.access.grants import name_in
from services.fhir.business import Change, Context, Decision, Hold
from services.fhir.histories import with_history
from services.fhir.outcomes import unprocessable

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


async def decide_episode(place: int, change: Change, context: Context) -> Decision:
    """Nothing for an episode of care that is none of these services."""
    before, after = change.before, change.after
    if not modes_of(before) and not modes_of(after):
        return Decision()
    if after is not None and not (is_standing(before) and HOME_BED in modes_of(before)):
        check_home_bed(after)
    left, taken = only_ones(before), only_ones(after)
    body = after
    if before is not None and after is not None:
        body = with_history(before, after, "status", context.at.astimezone(context.zone))
    holder = f"EpisodeOfCare/{change.id}"
    return Decision(
        bodies={place: body} if body is not None and body != after else {},
        takes=tuple(Hold(key, holder) for key in sorted(taken - left)),
        frees=tuple(f"{holder} {key}" for key in sorted(left - taken)),
    )
