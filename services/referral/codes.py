"""The codes of the two-way referral and how they are found in a resource: docs/referral-workflow.md, docs/fhir/terminologies.md"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.fhir.elements import CANONICAL, codes_in

Json = dict[str, Any]

_SYSTEM: Final = f"{CANONICAL}/CodeSystem"
TASK_CODE: Final = f"{_SYSTEM}/task-code"
SERVICE_CATEGORY: Final = f"{_SYSTEM}/service-category"
DIRECTION: Final = f"{_SYSTEM}/referral-direction"
BUSINESS_STATUS: Final = f"{_SYSTEM}/referral-business-status"
ACT: Final = f"{_SYSTEM}/referral-act"
INPUT: Final = f"{_SYSTEM}/referral-input"
OUTPUT: Final = f"{_SYSTEM}/referral-output"
SECTION: Final = f"{_SYSTEM}/referral-section"
REJECT_REASON: Final = f"{_SYSTEM}/referral-reject-reason"
CLOSE_REASON: Final = f"{_SYSTEM}/referral-close-reason"
CONTRACT_TYPE: Final = f"{_SYSTEM}/contract-type"
CONTRACT_TERM: Final = f"{_SYSTEM}/contract-term"
AFFILIATION_TYPE: Final = f"{_SYSTEM}/affiliation-type"
STAFF_ROLE: Final = f"{_SYSTEM}/staff-role"
INSTITUTION_TYPE: Final = f"{_SYSTEM}/institution-type"
LOINC: Final = "http://loinc.org"
PRIORITY: Final = "http://hl7.org/fhir/request-priority"

CLOCK_EXTENSION: Final = f"{CANONICAL}/StructureDefinition/referral-clock"
DIRECTION_EXTENSION: Final = f"{CANONICAL}/StructureDefinition/referral-direction"
CAPACITY_EXTENSION: Final = f"{CANONICAL}/StructureDefinition/capacity"
QUOTA_OWNER_EXTENSION: Final = f"{CANONICAL}/StructureDefinition/quota-owner"

DIRECTIONS: Final = ("up", "down", "lateral")
REFERRAL: Final = "referral"
ABORT: Final = "abort"


def is_referral(task: Json | None) -> bool:
    return task is not None and REFERRAL in codes_in(task.get("code"), TASK_CODE)


def is_abort(task: Json | None) -> bool:
    return task is not None and ABORT in codes_in(task.get("code"), TASK_CODE)


def is_referral_request(request: Json | None) -> bool:
    return request is not None and REFERRAL in codes_in(request.get("category"), SERVICE_CATEGORY)


def direction_of(request: Json) -> str | None:
    return next(iter(codes_in(request.get("category"), DIRECTION)), None)


def direction_told(task: Json) -> str | None:
    """That of its request, as the server keeps it in the Task."""
    return next((e.get("valueCode") for e in task.get("extension", ()) if e.get("url") == DIRECTION_EXTENSION), None)


def values(parameters: Iterable[Json] | None, system: str, code: str) -> Iterator[tuple[int, Any]]:
    """The values of a Task's inputs or outputs of one kind, each with its place in the list."""
    for place, each in enumerate(parameters or ()):
        if code in codes_in(each.get("type"), system):
            yield place, next((v for k, v in each.items() if k.startswith("value")), None)


def labelled(before: Json, after: Json) -> bool:
    """Is anything new in `meta` that a client says: http://hl7.org/fhir/R4/resource.html#Meta"""
    said = ("profile", "security", "tag", "source", "extension")
    return any(before.get("meta", {}).get(name) != after.get("meta", {}).get(name) for name in said)


def inputs(task: Json, code: str) -> list[Any]:
    return [value for _, value in values(task.get("input"), INPUT, code)]


def outputs(task: Json, code: str) -> list[Any]:
    return [value for _, value in values(task.get("output"), OUTPUT, code)]
