"""Task/$state-counts: how many referrals of a worklist are in each state, counted no further than is worth showing (docs/referral-workflow.md)."""

from collections.abc import Sequence
from typing import Any, Final

from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.search.query import SearchQuery
from services.fhir.service import Service
from services.referral.codes import BUSINESS_STATUS, TASK_CODE
from services.referral.operations.acting import OURS
from services.referral.states import STATES

Json = dict[str, Any]

NARROWING: Final = ("owner", "requester", "party", "direction", "priority", "deadline", "patient")
"""The search parameters of a worklist, as Task's search has them."""
USUAL, MOST = 100, 1000


async def state_counts(request: FhirRequest, service: Service) -> Answer:
    """A state in which there are more than `most` says so, and is not counted to its end."""
    inputs = read_inputs(request)
    inputs.check_known({*NARROWING, "most"})
    most = inputs.number("most") or USUAL
    if most > MOST:
        raise invalid("most", f"at most {MOST}", f"不超过 {MOST}")
    queries = _queries(inputs, request, service)
    found = await service.stores.reading(lambda store: store.capped_counts(queries, most))
    await service.stores.audit_log.record(request.audit("state-counts", 200))
    return parameters(*(_part(state, number, most) for state, number in zip(STATES, found, strict=True)))


def _queries(inputs: Inputs, request: FhirRequest, service: Service) -> Sequence[SearchQuery]:
    narrow = [(name, ",".join(inputs.texts(name))) for name in NARROWING if inputs.texts(name)]
    of_referrals = [*narrow, ("code", f"{TASK_CODE}|referral")]
    asked = [[*of_referrals, ("business-status", f"{BUSINESS_STATUS}|{state}")] for state in STATES]
    zone = service.zone
    return [parse_search("Task", each, now=request.at, strict=True, base=service.base, zone=zone) for each in asked]


def _part(state: str, number: int, most: int) -> Json:
    parts: list[Json] = [{"name": "code", "valueCode": state}, {"name": "number", "valueInteger": min(number, most)}]
    more = [{"name": "more", "valueBoolean": True}] if number > most else []
    return {"name": "state", "part": [*parts, *more]}


OPERATION: Final = Operation(
    "state-counts", f"{OURS}/Task-state-counts", ("type",), ("Task",), state_counts, letters="s"
)
