"""A new referral in one commit: request, Task, package and consent, submitted; what `$refer` and `$readdress` have in common."""

from typing import Any, Final

from services.fhir.elements import CANONICAL, concept
from services.fhir.interactions.answers import location, version_headers
from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import Intent
from services.fhir.operations.inputs import Inputs
from services.fhir.outcomes import FhirError
from services.fhir.request import Answer
from services.fhir.store.store import Store
from services.referral.codes import INPUT, TASK_CODE
from services.referral.operations.acting import Making, element, named_by_type
from services.referral.states import STATES, business_status

Json = dict[str, Any]

PROFILE: Final = f"{CANONICAL}/StructureDefinition/yiyang-referral-task"


def task_of(order: Json, focus: str, owner: Json, inputs: list[Json], making: Making) -> Json:
    """The Task in the state `submitted`: from here on the fulfiller writes it."""
    now = making.request.at.astimezone(making.service.zone).isoformat()
    made: Json = {
        "resourceType": "Task",
        "meta": {"profile": [PROFILE]},
        "status": STATES["submitted"].task,
        "businessStatus": business_status("submitted"),
        "intent": "order",
        "code": concept(TASK_CODE, "referral", "双向转诊"),
        "focus": {"reference": focus},
        "for": order["subject"],
        "authoredOn": now,
        "lastModified": now,
        "requester": {"reference": f"Organization/{making.request.caller.organization}"},
        "owner": owner,
    }
    return made | ({"input": inputs} if inputs else {})


def support_of(inputs: Inputs, making: Making) -> list[Json]:
    """The package, the consent or the waiver, as inputs of the Task."""
    kinds = (("package", "package"), ("consent", "consent"), ("waiver", "emergency-waiver"))
    return [
        {"type": concept(INPUT, kind), **element(part, making)} for name, kind in kinds for part in inputs.parts(name)
    ]


async def submit(act: str, making: Making, updates: list[Intent]) -> Answer:
    """The Task as it was stored, with its location."""
    request, service = making.request, making.service
    intents = [*making.intents(), *updates]
    place = next(n for n, each in enumerate(intents) if each.type == "Task" and each.method == "POST")

    def finish(store: Store, written: Written) -> Answer:
        task = written[place]
        assert task is not None  # noqa: S101 - a create always writes
        for each in written.values():
            if each is not None and each.type == "Task":  # one of each institution that is asked
                store.audit(request.audit(act, 201 if each.is_created else 200, of=each))
        headers = (*version_headers(task), (b"location", f"{service.base}/{location(task)}".encode()))
        return Answer(201, (task.body or "").encode(), headers)

    numbered = dict(enumerate(intents))
    try:
        return await write_all(numbered, service, finish)
    except FhirError as error:
        raise named_by_type(error, numbered) from error
