"""Patient/$summary: one document that says who an elder is, for who may read it now: http://hl7.org/fhir/uv/ips/OperationDefinition/summary

It is an International Patient Summary with what elders need besides; by Accept it is a page, drawn from the same document (docs/adr/0039).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from services.fhir.bundle import text
from services.fhir.headers import FHIR_JSON, media
from services.fhir.operations.inputs import invalid, read_inputs
from services.fhir.operations.whose import the_patient, whose
from services.fhir.pages.answer import MEDIA, page
from services.fhir.pages.document import Document
from services.fhir.pages.sheet import Sheet
from services.fhir.pages.whole import whole
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import instant
from services.records.summary.composition import BUNDLE_PROFILE, NOTE, About, composition, confidentiality, platform
from services.records.summary.papers import Papers, papers

Json = dict[str, Any]

OFFERED: Final = (FHIR_JSON, *MEDIA)
_JSON: Final = (FHIR_JSON, "application/json", "text/json")
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

Made = Sequence[tuple[str, Json]]
"""What the platform says itself, with its fullUrl: the Composition, and who made it."""


async def summary(request: FhirRequest, service: Service) -> Answer:
    kind = media(request.header(b"accept"), request.query, (*_JSON, *MEDIA))
    inputs = read_inputs(request)
    inputs.check_known(("profile",))
    if inputs.text("profile") not in (None, BUNDLE_PROFILE):
        raise invalid("profile", f"only {BUNDLE_PROFILE}", "仅支持国际患者摘要（IPS）")
    patient = await the_patient(request, service)
    found = await papers(patient, await whose(patient, service), request, service)
    made = _made(found, request, service)
    if kind in _JSON:
        answer = Answer(200, _bundle(found, made, request, service).encode())
    else:
        answer = await page(lambda: _sheet(found, made, request, service), kind, f"summary-{request.id}", request.at)
    await service.stores.audit_log.record(request.audit("summary", 200, of=patient))
    return answer


def _made(found: Papers, request: FhirRequest, service: Service) -> Made:
    own, author = str(uuid4()), str(uuid4())
    about = About(found.patient, own, f"urn:uuid:{author}", request.at, service.zone, service.base)
    note = composition(about, found.sections, found.resolve)
    return (f"urn:uuid:{own}", note), (about.author, platform(author))


def _bundle(found: Papers, made: Made, request: FhirRequest, service: Service) -> str:
    """Around the bodies as they were sent: no digit is written anew (docs/adr/0003)."""
    (_, note), _ = made
    code = confidentiality(found.patient, found.sections)
    meta = {"profile": [BUNDLE_PROFILE], **({"security": [code]} if code else {})}
    return (
        f'{{"resourceType":"Bundle","id":"{note["id"]}","meta":{_encode(meta).decode()},'
        f'"language":"zh-CN","identifier":{_encode(note["identifier"]).decode()},"type":"document",'
        f'"timestamp":"{instant(request.at)}","entry":[{",".join(_entries(found, made, service))}]}}'
    )


def _entries(found: Papers, made: Made, service: Service) -> Iterator[str]:
    for url, resource in made:
        yield _entry(url, _encode(resource).decode())
    for stored in found.stored:
        yield _entry(f"{service.base}/{stored.type}/{stored.id}", stored.body or "")


def _entry(url: str, body: str) -> str:
    return f'{{"fullUrl":{text(url)},"resource":{body}}}'


def _sheet(found: Papers, made: Made, request: FhirRequest, service: Service) -> Sheet:
    resources = [resource for _, resource in made] + [found.parsed[f"{s.type}/{s.id}"] for s in found.stored]
    document = Document({"type": "document", "entry": [{"resource": each} for each in resources]}, service.zone)
    sheet = whole(document, request.at, has_narratives=False)
    return msgspec.structs.replace(sheet, english="Patient summary", note=f"{sheet.note}。{NOTE[0]}")
