"""Contract/$fulfilment: of each service that a family doctor's contract promises, how often it was done: docs/adr/0056

What counts is what the record says anyway: visits, procedures and check-ups of the elder within the term, of a code of the item.
"""

from typing import Any, Final

from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole
from services.referral.family_doctor.contract import Item, done, is_family_doctor, items, patient_of
from services.referral.operations.acting import OURS

Json = dict[str, Any]

MOST: Final = 1000
_SERVICES: Final = (
    ("Encounter", "status", "finished"),
    ("Procedure", "status", "completed"),
    ("Composition", "status", "final,amended"),
)
_CODES: Final = {"Encounter": "type", "Procedure": "code", "Composition": "type"}


async def fulfilment(request: FhirRequest, service: Service) -> Answer:
    read_inputs(request).check_known(())
    contract = present(await service.stores.read("Contract", request.id), "Contract").parsed()
    patient = patient_of(contract)
    if not is_family_doctor(contract) or not patient:
        raise unprocessable(
            "Only a family doctor's contract has a package",
            code="business-rule",
            text="仅家庭医生签约协议有服务包",
            expression=("Contract.type",),
        )
    package = list(items(contract))
    services = await _services(contract, patient, package, request, service)
    await service.stores.audit_log.record(request.audit("fulfilment", 200, about=(patient.partition("/")[2],)))
    return parameters(*(_told(item, done(item, services)) for item in package))


async def _services(
    contract: Json, patient: str, package: list[Item], request: FhirRequest, service: Service
) -> list[Json]:
    """Of the term, in one round trip, as far as the caller may read."""
    codes = sorted(code for item in package for code in item.codes)
    for kind, _, _ in _SERVICES:
        check_whole(request.caller, kind, READ + SEARCH)
    if not codes:
        return []
    bounds = [
        (f"{sign}{contract['applies'][name]}")
        for name, sign in (("start", "ge"), ("end", "le"))
        if name in contract.get("applies", {})
    ]
    queries = [
        parse_search(
            kind,
            [
                ("patient", patient),
                (status, wanted),
                (_CODES[kind], ",".join(codes)),
                *(("date", bound) for bound in bounds),
                ("_count", str(MOST)),
            ],
            now=request.at,
            strict=True,
            base=service.base,
            zone=service.zone,
        )
        for kind, status, wanted in _SERVICES
    ]
    pages = await service.stores.reading(lambda store: store.first_pages(queries))
    return [each.parsed() for page in pages for each in page]


def _told(item: Item, times: int) -> Json:
    parts: list[Json] = [{"name": "name", "valueString": item.name}, {"name": "done", "valueInteger": times}]
    if item.agreed is not None:
        parts.append({"name": "agreed", "valueInteger": item.agreed})
        parts.append({"name": "open", "valueInteger": max(0, item.agreed - times)})
    return {"name": "item", "part": parts}


OPERATION: Final = Operation("fulfilment", f"{OURS}/Contract-fulfilment", ("instance",), ("Contract",), fulfilment)
