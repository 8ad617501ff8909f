"""Composition/$document: a Composition with all that it refers to, as one document: http://hl7.org/fhir/R4/composition-operation-document.html

`persist` keeps it among the Bundles, by POST; by a GraphDefinition nothing is chosen. A document never holds less than it refers to:
what is not there for the caller is told, whether it is missing or out of reach.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from services.fhir.access.grants import patient_in
from services.fhir.bundle import text
from services.fhir.interactions.answers import location, present
from services.fhir.interactions.commit import write
from services.fhir.interactions.intent import Intent
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import method_not_allowed
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE
from services.fhir.service import Service
from services.fhir.store.rows import Stored, instant
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole
from services.records.assembly import assembled
from services.records.labels import highest

Json = dict[str, Any]

_URN: Final = "urn:ietf:rfc:3986"


async def document(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(("id", "persist"))
    persist = bool(inputs.flag("persist"))
    if persist and request.method != "POST":
        raise method_not_allowed("What is kept is asked for by POST", headers={"Allow": "POST"})
    if persist:
        check_whole(request.caller, "Bundle", CREATE)
    composition = present(await service.stores.read("Composition", _id(inputs, request)), "Composition")
    note = composition.parsed()
    parts = (composition, *await assembled(note, service))
    body = _bundle(parts, request, service)
    about = (patient_in(note.get("subject")), composition.patient)
    if persist:
        return await _kept(body, about, request, service)
    await service.stores.audit_log.record(request.audit("document", 200, about=about))
    return Answer(200, body)


def _id(inputs: Inputs, request: FhirRequest) -> str:
    """Of the URL; else the bare id or the reference that is given."""
    given = inputs.text("id")
    if bool(given) == bool(request.id):
        raise invalid("id", "given once, in the URL or as `id`", "须在网址或参数 id 中给出其一")
    return request.id or str(given).removeprefix("Composition/")


def _bundle(parts: Sequence[Stored], request: FhirRequest, service: Service) -> bytes:
    code = highest(each.parsed() for each in parts)
    meta = f'"meta":{{"security":[{msgspec.json.encode(code).decode()}]}},' if code else ""
    entries = ",".join(
        f'{{"fullUrl":{text(f"{service.base}/{each.type}/{each.id}")},"resource":{each.body}}}' for each in parts
    )
    return (
        f'{{"resourceType":"Bundle",{meta}"identifier":{{"system":"{_URN}","value":"urn:uuid:{uuid4()}"}},'
        f'"type":"document","timestamp":"{instant(request.at)}","entry":[{entries}]}}'
    ).encode()


async def _kept(body: bytes, about: tuple[str | None, ...], request: FhirRequest, service: Service) -> Answer:
    def finish(store: Store, stored: Stored | None) -> Answer:
        kept = present(stored, "Bundle")
        store.audit(request.audit("document", 200, of=kept, about=about))
        headers = ((b"location", f"{service.base}/{location(kept)}".encode()), (b"etag", kept.etag.encode()))
        return Answer(200, (kept.body or "").encode(), headers)

    return await write(Intent("POST", "Bundle", body=body), service, finish)
