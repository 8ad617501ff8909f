"""Patient/$merge and $unmerge: two records of one person, by links (docs/adr/0034).

The operation is that of R5, http://hl7.org/fhir/R5/patient-operation-merge.html, on R4's Patient.link.
"""

from typing import Any, Literal

import jiter
import msgspec

from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import Intent, changed, created
from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs
from services.fhir.outcomes import Issue, not_found, operation_outcome, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.records.merging import check_mergeable, merged, unmerged, version_before

Json = dict[str, Any]
Side = Literal["source", "target"]

_KNOWN = frozenset(
    {
        "source-patient",
        "source-patient-identifier",
        "target-patient",
        "target-patient-identifier",
        "result-patient",
        "preview",
    }
)
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_DONE = Issue("information", "informational", "Merged; both records are kept", "已合并，两份档案均保留")
_UNDONE = Issue("information", "informational", "The merge is undone", "已撤销合并")


class _Pair(msgspec.Struct, frozen=True):
    source: Stored
    target: Stored


async def merge(request: FhirRequest, service: Service) -> Answer:
    inputs = _inputs(request)
    pair = await service.stores.reading(lambda store: _pair(inputs, request, store, service))
    source, target = pair.source.parsed(), pair.target.parsed()
    check_mergeable(source, target)
    result = inputs.resource("result-patient", "Patient")
    if result is not None and result.get("id") != target["id"]:
        raise invalid("result-patient", "has the id of the target", "其 id 应与目标档案一致")
    replaced, kept = merged(source, result or target, pair.source.version)
    if inputs.flag("preview"):
        return _answer(kept, _DONE)
    return await _write(pair, (replaced, kept), "merge", request, service)


async def unmerge(request: FhirRequest, service: Service) -> Answer:
    inputs = _inputs(request)
    pair = await service.stores.reading(lambda store: _pair(inputs, request, store, service))
    source, target = pair.source.parsed(), pair.target.parsed()
    version = version_before(source, f"Patient/{target['id']}")
    before = (
        await service.stores.reading(lambda store: store.vread("Patient", source["id"], version)) if version else None
    )
    bodies = unmerged(source, target, before.parsed() if before else source)
    if inputs.flag("preview"):
        return _answer(bodies[1], _UNDONE)
    return await _write(pair, bodies, "unmerge", request, service)


async def _write(
    pair: _Pair, bodies: tuple[Json, Json], act: Literal["merge", "unmerge"], request: FhirRequest, service: Service
) -> Answer:
    """One commit: both records in the versions that were seen, who did it, the audit row."""
    intents: dict[int, Intent] = {
        0: changed(bodies[0], pair.source.version),
        1: changed(bodies[1], pair.target.version),
        2: created(_provenance(pair, act, request)),
    }

    def finish(store: Store, written: Written) -> Answer:
        target = written[1]
        assert target is not None  # noqa: S101 - nothing is deleted here
        store.audit(request.audit(act, 200, about=[pair.source.id, pair.target.id]))
        return _answer(target.parsed(), _DONE if act == "merge" else _UNDONE)

    return await write_all(intents, service, finish)


def _inputs(request: FhirRequest) -> Inputs:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    return inputs


async def _pair(inputs: Inputs, request: FhirRequest, store: Store, service: Service) -> _Pair:
    source = await _named("source", inputs, request, store, service)
    target = await _named("target", inputs, request, store, service)
    if source.id == target.id:
        raise invalid("target-patient", "another one than the source", "应与源档案不同")
    return _Pair(source, target)


async def _named(side: Side, inputs: Inputs, request: FhirRequest, store: Store, service: Service) -> Stored:
    """By reference or by identifiers, as far as the caller may write."""
    reference = (inputs.element(f"{side}-patient") or {}).get("reference")
    identifiers = inputs.elements(f"{side}-patient-identifier")
    if bool(reference) is bool(identifiers):
        raise invalid(f"{side}-patient", "either a reference or identifiers", "须提供引用或标识之一")
    resource_id = (
        reference.rpartition("Patient/")[2] if reference else await _found(identifiers, request, store, service)
    )
    stored = await store.to_write("Patient", resource_id)
    if stored is None or stored.is_deleted:
        raise not_found(f"No such {side} patient", text="未找到该患者")
    return stored


async def _found(identifiers: list[Json], request: FhirRequest, store: Store, service: Service) -> str:
    texts = [("identifier", "|".join(_escaped(i.get(part, "")) for part in ("system", "value"))) for i in identifiers]
    query = parse_search("Patient", texts, now=request.at, strict=True, base=service.base, zone=service.zone)
    found = (await store.search(msgspec.structs.replace(query, count=2))).matches
    if len(found) != 1:
        raise unprocessable(
            "The identifiers are those of no patient, or of several",
            code="multiple-matches" if found else "not-found",
            text="按所给标识未找到唯一的患者",
        )
    return found[0].id


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


def _provenance(pair: _Pair, act: str, request: FhirRequest) -> Json:
    who = request.caller.practitioner or f"Organization/{request.caller.organization}"
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"Patient/{each.id}"} for each in (pair.source, pair.target)],
        "recorded": request.at.isoformat(),
        "activity": {"coding": [{"system": _LIFECYCLE, "code": act}]},
        "agent": [{"who": {"reference": who}}],
    }


def _answer(result: Json, issue: Issue) -> Answer:
    outcome = jiter.from_json(operation_outcome([issue]))
    return parameters({"name": "outcome", "resource": outcome}, {"name": "result", "resource": result})
