"""Task/$schedule 安排: an `appointment`, or `start` and `end`, with a `slot` or a `bed` that is reserved with it (docs/referral-workflow.md)."""

from typing import Any, Final

from services.fhir.elements import concept
from services.fhir.operations.inputs import Inputs, invalid
from services.referral.codes import OUTPUT, outputs
from services.referral.operations.acting import Making, Part, act_operation, element

Json = dict[str, Any]


def _booked(task: Json, inputs: Inputs, making: Making) -> Json:
    """The Appointment as it was sent, or one made of the times and the slot."""
    given = inputs.parts("appointment")
    value = element(given[0], making) if given else _made(task, inputs, making)
    added = {"type": concept(OUTPUT, "appointment"), **value}
    return task | {"output": [*task.get("output", ()), added]}


def _made(task: Json, inputs: Inputs, making: Making) -> Json:
    start, end = inputs.text("start"), inputs.text("end")
    if not start or not end:
        raise invalid("start", "an appointment, or start and end", "须提供预约，或开始与结束时间")
    slots = [each["valueReference"] for each in inputs.parts("slot") if "valueReference" in each]
    booked: Json = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": start,
        "end": end,
        "basedOn": [task["focus"]],
        "participant": [
            {"actor": task["for"], "status": "accepted"},
            *({"actor": each, "status": "accepted"} for each in outputs(task, "physician")[-1:]),
        ],
    }
    name = making.add(booked | ({"slot": slots} if slots else {}))
    return {"valueReference": {"reference": name}}


OPERATION: Final = act_operation(
    "schedule", Part("bed", "output"), extra=_booked, more=("appointment", "start", "end", "slot")
)
