"""Task/$actions: the acts that are open to this caller now, of one Task or of a page of Tasks (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import id_in
from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.referral.codes import ACT, is_referral
from services.referral.guards import GUARDS
from services.referral.operations.acting import OURS, current
from services.referral.parties import actors_of
from services.referral.states import state_of
from services.referral.workflow import Move, actions

Json = dict[str, Any]

MOST: Final = 100
"""Tasks of one page."""


async def actions_of(request: FhirRequest, service: Service) -> Answer:
    """`task` names those of a page, at most a hundred; what the caller may not read is left out."""
    inputs = read_inputs(request)
    inputs.check_known({"task"})
    if request.id:
        stored, task = await current(request.id, service)
        await service.stores.audit_log.record(request.audit("actions", 200, of=stored))
        return parameters(*(_action(move) for move in _open(task, request)))
    ids = _ids(inputs)
    found = await service.stores.reading(lambda store: store.read_many("Task", ids))
    about = [id_in(each.parsed().get("for"), "Patient") for each in found if not each.is_deleted]
    await service.stores.audit_log.record(request.audit("actions", 200, about=about))
    return parameters(*(_task(each, request) for each in found if not each.is_deleted))


def _ids(inputs: Inputs) -> list[str]:
    named = [text.removeprefix("Task/") for given in inputs.texts("task") for text in given.split(",")]
    ids = [*dict.fromkeys(each for each in named if each)]
    if not 0 < len(ids) <= MOST:
        raise invalid("task", f"one to {MOST} ids", f"须给出 1 至 {MOST} 个任务")
    return ids


def _task(stored: Stored, request: FhirRequest) -> Json:
    task = stored.parsed()
    named = {"name": "reference", "valueReference": {"reference": f"Task/{stored.id}"}}
    state = {"name": "state", "valueCode": state_of(task)}
    acts = [{"name": "act", "valueCode": move.act} for move in _open(task, request)]
    return {"name": "task", "part": [named, *([state] if is_referral(task) else []), *acts]}


def _open(task: Json, request: FhirRequest) -> tuple[Move, ...]:
    """An administrator is known when it confirms: until then every caller of the placer may be one."""
    return actions(task, actors_of(request.caller, task, "anyone")) if is_referral(task) else ()


def _action(move: Move) -> Json:
    needs = [{"name": "needs", "valueString": f"{GUARDS[name].zh} · {GUARDS[name].en}"} for name in move.needs]
    coding = {"system": ACT, "code": move.act, "display": move.zh}
    return {"name": "action", "part": [{"name": "act", "valueCoding": coding}, *needs]}


OPERATION: Final = Operation("actions", f"{OURS}/Task-actions", ("type", "instance"), ("Task",), actions_of)
