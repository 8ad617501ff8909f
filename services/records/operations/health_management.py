"""Patient/$health-management: is the yearly health management of an elder complete, and which of its four blocks are missing?

国家基本公共卫生服务规范（第三版）· docs/adr/0055
"""

from typing import Any, Final

from services.fhir.operations.inputs import invalid, parameters, read_inputs
from services.fhir.operations.whose import the_patient, whose
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole
from services.records.health_management import CHECK_UP, DOCUMENTS, Managed, blocks, is_due, managed

Json = dict[str, Any]

MOST: Final = 100
_YEARS: Final = range(2009, 2200)  # the programme began in 2009


async def health_management(request: FhirRequest, service: Service) -> Answer:
    """Of what the caller may read; this year where none is named."""
    inputs = read_inputs(request)
    inputs.check_known(("year",))
    given = inputs.number("year")
    year = request.at.astimezone(service.zone).year if given is None else given
    if year not in _YEARS:
        raise invalid("year", "a year of the programme", "年份有误")
    check_whole(request.caller, "Composition", READ + SEARCH)
    patient = await the_patient(request, service)
    found = managed(year, await _check_ups(year, await whose(patient, service), request, service))
    await service.stores.audit_log.record(request.audit("health-management", 200, of=patient))
    birth = patient.parsed().get("birthDate")
    return parameters(*_told(found, birth))


async def _check_ups(year: int, patients: tuple[str, ...], request: FhirRequest, service: Service) -> list[Json]:
    asked = [
        ("subject", ",".join(f"Patient/{each}" for each in patients)),
        ("type", f"{DOCUMENTS}|{CHECK_UP}"),
        ("date", str(year)),
        ("status:not", "entered-in-error"),
        ("_sort", "-date"),
        ("_count", str(MOST)),
    ]
    query = parse_search("Composition", asked, now=request.at, strict=True, base=service.base, zone=service.zone)
    page = await service.stores.reading(lambda store: store.search(query))
    return [each.parsed() for each in page.matches]


def _told(found: Managed, birth: str | None) -> list[Json]:
    parts: list[Json] = [
        {"name": "year", "valueInteger": found.year},
        {"name": "due", "valueBoolean": is_due(birth, found.year)},
        {"name": "complete", "valueBoolean": found.is_complete},
    ]
    if found.composition is not None:
        parts.append({"name": "check-up", "valueReference": {"reference": f"Composition/{found.composition['id']}"}})
        parts.append({"name": "status", "valueCode": found.composition["status"]})
    for code, name in blocks().items():
        told = [
            {"name": "code", "valueCode": code},
            {"name": "display", "valueString": name},
            {"name": "done", "valueBoolean": code in found.done},
        ]
        parts.append({"name": "block", "part": told})
    return parts
