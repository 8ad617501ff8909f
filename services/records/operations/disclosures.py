"""Patient/$disclosures: who saw what of the patient, when and why, for the patient: https://profiles.ihe.net/ITI/BALP/

The answer is AuditEvents, newest first, page by page. The patient asks, or an institution with a basis at the patient's wish (purpose PATRQT).
"""

from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from services.fhir.balp import audit_event
from services.fhir.bundle import bundle, search_entry
from services.fhir.interactions.answers import unknown
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import forbidden
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.dates import parse_range
from services.fhir.service import Service
from services.fhir.store.cursors import seal, unseal
from services.fhir.store.disclosures import Asked
from services.fhir.store.disclosures import disclosures as find
from services.fhir.store.rows import Stored

DEFAULT_COUNT: Final = 50
MAX_COUNT: Final = 500
PURPOSES: Final = frozenset({"PATRQT", "FAMRQT"})
_PLACE: Final = ("timestamptz", "text")
_KNOWN: Final = ("start", "end", "_count", "_cursor")


async def disclosures(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    used = tuple((name, text) for name in _KNOWN[:3] if (text := inputs.text(name)))
    asked = _asked(inputs, used, request, service)
    if request.caller.purpose not in PURPOSES and not _is_own(request):
        raise forbidden(
            "Only the patient, or who asks at the patient's wish (PATRQT, FAMRQT)", text="仅限本人或受本人委托查询"
        )
    patient = await service.stores.reading(lambda store: store.read("Patient", request.id))
    if patient is None:
        raise unknown("Patient")
    found = await service.stores.reading(lambda store: store.run(find, asked))
    await service.stores.audit_log.record(request.audit("disclosures", 200, of=patient))
    shown = found[: asked.count]
    entries = (search_entry(_stored(each.event, each.at, audit_event(each)), service.base, "match") for each in shown)
    more = (shown[-1].at, shown[-1].event) if len(found) > asked.count else None
    return Answer(200, bundle("searchset", entries, links=_links(used, more, request, service)))


def _is_own(request: FhirRequest) -> bool:
    return request.caller.practitioner == f"Patient/{request.id}"


def _asked(inputs: Inputs, used: tuple[tuple[str, str], ...], request: FhirRequest, service: Service) -> Asked:
    cursor = inputs.text("_cursor")
    after = unseal(cursor, _identity(used, request), _PLACE, service.stores.cursor_key) if cursor else None
    return Asked(
        patient=request.id,
        count=min(inputs.number("_count") or DEFAULT_COUNT, MAX_COUNT),
        start=_bound("start", inputs, service, 0),
        end=_bound("end", inputs, service, 1),
        after=(after[0], after[1]) if after else None,
    )


def _bound(name: str, inputs: Inputs, service: Service, side: int) -> datetime | None:
    if not (text := inputs.text(name)):
        return None
    try:
        return parse_range(text, service.zone)[side]
    except ValueError as error:
        raise invalid(name, "not a date", "应为日期") from error


def _identity(used: tuple[tuple[str, str], ...], request: FhirRequest) -> str:
    return f"Patient/{request.id}/$disclosures?{urlencode([u for u in used if u[0] != '_count'])}"


def _links(
    used: tuple[tuple[str, str], ...], more: tuple[datetime, str] | None, request: FhirRequest, service: Service
) -> list[tuple[str, str]]:
    links = [("self", _url(used, request, service))]
    if more:
        cursor = seal(more, _identity(used, request), service.stores.cursor_key)
        links.append(("next", _url((*used, ("_cursor", cursor)), request, service)))
    return links


def _url(parameters: tuple[tuple[str, str], ...], request: FhirRequest, service: Service) -> str:
    query = urlencode(parameters, quote_via=quote, safe=":,")
    return f"{service.base}/Patient/{request.id}/$disclosures" + (f"?{query}" if query else "")


def _stored(event: str, at: datetime, body: str) -> Stored:
    return Stored("AuditEvent", event, 0, 1, at, "POST", body)
