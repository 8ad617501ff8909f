"""What the referral service decides on every version of what it governs, whatever way it came (services/fhir/business.py).

Both doors of the workflow lead here: PUT and PATCH with If-Match, and the operations. docs/referral-workflow.md
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from services.fhir.business import Business, Change, Context, Decision
from services.fhir.outcomes import Issue
from services.fhir.tasks.govern import govern
from services.fhir.tasks.table import Workflow, workflow_of
from services.kit.settings import ServiceSettings
from services.referral.aborts import decide_abort
from services.referral.appointments import decide_appointment
from services.referral.calendar import Calendar, calendar_of
from services.referral.codes import is_abort, is_referral, is_referral_request
from services.referral.contracts import check_contract
from services.referral.decided import Part, joined
from services.referral.desk import Desk
from services.referral.family_doctor.decide import decide_contract
from services.referral.requests import decide_request
from services.referral.states import STATES, state_of
from services.referral.transitions import decide_task

Json = dict[str, Any]


def business_of(settings: ServiceSettings) -> Business:
    return partial(decide, calendar_from(settings))


def calendar_from(settings: ServiceSettings) -> Calendar:
    return calendar_of(ZoneInfo("Asia/Shanghai"), settings.working_hours)


def guarded(resource_type: str, there: Json) -> bool:
    """A change of these names the version that it changes: two institutions write them in turn."""
    if resource_type == "Task":
        return is_referral(there) or is_abort(there) or workflow_of(there) is not None
    return resource_type == "ServiceRequest" and is_referral_request(there)


def overtaken(_base: Json | None, current: Json, _sent: Json | None) -> tuple[Issue, ...]:
    """Who comes second is told what the first has done."""
    state = STATES.get(state_of(current)) if is_referral(current) else None
    if state is None:
        return ()
    version = current.get("meta", {}).get("versionId")
    said = f"Another act came first: the referral is {state.code} now, in version {version}"
    text = f"他人已先处理，当前状态：{state.zh} · now {state.code}, version {version}"
    return (Issue("information", "informational", said, text, ("Task.businessStatus",)),)


async def decide(
    calendar: Calendar, changes: Sequence[Change], others: Mapping[str, Json], context: Context
) -> Decision:
    desk = Desk(changes, others, context)
    parts = [await _decide(place, change, desk, calendar) for place, change in enumerate(changes)]
    return joined([part for part in parts if part], desk)


async def _decide(place: int, change: Change, desk: Desk, calendar: Calendar) -> Part | None:
    """None for what the workflow does not govern: it is an ordinary resource."""
    versions = [each for each in (change.before, change.after) if each is not None]
    if change.type == "Task" and any(map(is_referral, versions)):
        return await decide_task(place, change, desk, calendar)
    if change.type == "Task" and any(map(is_abort, versions)):
        return await decide_abort(change, desk)
    if change.type == "Task" and (tabled := next(filter(None, map(workflow_of, versions)), None)):
        return await _by_its_table(tabled, place, change, desk)
    if change.type == "ServiceRequest" and any(map(is_referral_request, versions)):
        return await decide_request(change, desk)
    if change.type == "Contract":
        check_contract(change, desk.context.caller)
        return await decide_contract(change, desk)
    return await decide_appointment(place, change, desk) if change.type == "Appointment" else None


async def _by_its_table(workflow: Workflow, place: int, change: Change, desk: Desk) -> Part:
    """A Task that is no referral, with a course of its own (docs/adr/0047)."""
    made = await govern(workflow, change, desk.context)
    return Part(
        bodies={place: made.body},
        also=made.created,
        rests_on=made.rests_on,
        timers={f"Task/{change.id}": made.timers},
    )
