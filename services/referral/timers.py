"""What the platform clock writes when a timer is due: it takes the same way as everybody else (services/fhir/business.py)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from services.fhir.business import Context, Intent, changed
from services.fhir.tasks.govern import at_its_time
from services.fhir.tasks.table import workflow_of
from services.referral.booking.timers import on_appointment
from services.referral.clocks import FULL, HALF, clock_of, with_clock
from services.referral.states import STATES, business_status, state_of
from services.referral.workflow import ACTS, SAME, actions

Json = dict[str, Any]


async def on_timer(holder: str, act: str, context: Context) -> Sequence[Intent]:
    """Nothing where the act is not open any more: somebody was faster."""
    kind, _, task_id = holder.partition("/")
    if kind == "Appointment":
        return await on_appointment(task_id, act, context)
    found = await context.read(kind, task_id)
    if found is not None and (workflow := workflow_of(found[0])) is not None:
        return await at_its_time(workflow, *found, act)
    if found is None or act not in {move.act for move in actions(found[0], frozenset({"C"}))}:
        return ()
    task, version = found
    return (changed(_moved(task, act), version),)


def _moved(task: Json, act: str) -> Json:
    move, running = ACTS[act], clock_of(task)
    if act == "escalate":
        return with_clock(task, msgspec.structs.replace(running, escalated=HALF if running.escalated < HALF else FULL))
    if act == "flag":
        return with_clock(task, msgspec.structs.replace(running, flagged=1))
    state = state_of(task) if move.to == SAME else move.to
    return task | {"status": STATES[state].task, "businessStatus": business_status(state)}
