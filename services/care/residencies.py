"""Services that an elder has 入住、家庭病床、家庭医生: one residency at a time, and what each was before it changed (docs/adr/0054).

http://hl7.org/fhir/R4/episodeofcare.html
"""

from datetime import datetime
from typing import Any, Final

from services.fhir.access.grants import name_in
from services.fhir.business import Change, Context, Decision, Hold

Json = dict[str, Any]

MODE: Final = "https://yiyang.example/fhir/CodeSystem/service-mode"
RESIDENTIAL: Final = "residential"
_STANDING: Final = frozenset({"active", "onhold"})


def modes_of(episode: Json | None) -> frozenset[str]:
    """The ways of service, as the platform codes them."""
    codings = (c for each in (episode or {}).get("type", ()) for c in each.get("coding", ()))
    return frozenset(c["code"] for c in codings if c.get("system") == MODE and "code" in c)


def is_standing(episode: Json | None) -> bool:
    """While an elder is in hospital, the residency is on hold and her place is kept."""
    return episode is not None and episode.get("status") in _STANDING


def residence(episode: Json | None) -> str | None:
    """The key of the one residency that its patient has by this episode."""
    if not is_standing(episode) or RESIDENTIAL not in modes_of(episode):
        return None
    patient = name_in((episode or {}).get("patient"))
    return f"residency:{patient}" if patient else None


def with_history(before: Json, after: Json, at: datetime) -> Json:
    """The state that it had until now, where the sender did not say it."""
    known = before.get("statusHistory", [])
    if before.get("status") == after.get("status") or len(after.get("statusHistory", ())) > len(known):
        return after
    ends = [each["period"]["end"] for each in known if "end" in each.get("period", {})]
    since = ends[-1] if ends else before.get("period", {}).get("start")
    period = {**({"start": since} if since else {}), "end": at.isoformat(timespec="seconds")}
    return after | {"statusHistory": [*known, {"status": before["status"], "period": period}]}


async def decide_episode(place: int, change: Change, context: Context) -> Decision:
    """Nothing for an episode of care that is none of these services."""
    before, after = change.before, change.after
    if not modes_of(before) and not modes_of(after):
        return Decision()
    left, taken = residence(before), residence(after)
    body = after
    if before is not None and after is not None:
        body = with_history(before, after, context.at.astimezone(context.zone))
    holder = f"EpisodeOfCare/{change.id}"
    return Decision(
        bodies={place: body} if body is not None and body != after else {},
        takes=(Hold(taken, holder),) if taken and taken != left else (),
        frees=(f"{holder} {left}",) if left and left != taken else (),
    )
