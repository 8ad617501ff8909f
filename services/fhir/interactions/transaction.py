"""The transaction interaction: all or nothing, across owners: http://hl7.org/fhir/R4/http.html#transaction (docs/adr/0001)

The coordinator gives each new resource its id and resolves the references between entries; each owner prepares the versions of its types
and writes nothing; then one commit writes them all. When another commit came first, all of it is done again on what is there now.
"""

from collections.abc import Mapping, Sequence

import msgspec

from services.fhir import audit
from services.fhir.bundle import bundle, write_entry
from services.fhir.headers import preferred_return
from services.fhir.interactions import batch, owners
from services.fhir.interactions.envelope import Entry, at_entry, in_processing_order
from services.fhir.interactions.prepare import Intent
from services.fhir.outcomes import FhirError, bad_request
from services.fhir.references import rewriter
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.index import patient_reference
from services.fhir.service import Service
from services.fhir.store.rows import AuditRow, Stored
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store, Stores

_INTERACTIONS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


async def transaction(request: FhirRequest, service: Service, entries: list[Entry]) -> Answer:
    ordered = in_processing_order(entries)
    everything = await owners.with_all_types(service)
    for entry in ordered:
        batch.check_scope(entry, request.caller)
    writes = [e for e in ordered if e.method in _INTERACTIONS]
    reads = [e for e in ordered if e.method not in _INTERACTIONS]
    _check_identities(writes)
    intents = _intents(writes, service)

    async def work(store: Store) -> dict[int, str]:
        prepared = await owners.prepare_all(intents, request.caller, store, service)
        written = {n: store.put_prepared(w) if w else None for n, w in prepared.items()}
        for n, stored in written.items():
            store.audit(_audit(request, intents[n], stored))
        answers = _write_entries(request, written, service)
        if not reads:
            return answers
        return await store.commit_after(lambda inside: _read_entries(reads, answers, request, everything, inside))

    answers = await service.stores.committing(work)
    return Answer(200, bundle("transaction-response", [answers[e.index] for e in entries]))


def _intents(writes: Sequence[Entry], service: Service) -> dict[int, Intent]:
    ids = _assigned_ids(writes, service)
    places = {e.full_url: f"{e.type}/{ids[e.index]}" for e in writes if e.full_url and e.method != "DELETE"}
    resolve = rewriter(places) if places else _as_sent
    return {
        e.index: Intent(
            method=e.method,  # type: ignore[arg-type]  # `writes` holds these three only
            type=e.type,
            id=ids[e.index],
            body=resolve(e.raw, e.resource) if e.raw else b"",
            if_match=e.if_match,
        )
        for e in writes
    }


def _as_sent(raw: bytes, _resource: object) -> bytes:
    return raw


def _assigned_ids(writes: Sequence[Entry], service: Service) -> dict[int, str]:
    """Patients first: what is bound to a patient carries the patient's shard in its id."""
    now = service.clock.now()
    ids = {e.index: e.id or new_id(now) for e in writes if e.id or e.type == "Patient"}
    patients = {e.full_url: ids[e.index] for e in writes if e.type == "Patient" and e.full_url}
    for entry in writes:
        if entry.index not in ids:
            ids[entry.index] = new_id(now, _shard(entry, patients))
    return ids


def _shard(entry: Entry, patients: Mapping[str, str]) -> int | None:
    reference = patient_reference(entry.type)(entry.resource) if entry.resource else None
    if not isinstance(reference, str):
        return None
    patient = patients.get(reference) or (
        reference.removeprefix("Patient/") if reference.startswith("Patient/") else None
    )
    return shard_of(patient) if patient else None


def _check_identities(writes: Sequence[Entry]) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: no two entries may write the same resource, or claim the same fullUrl."""
    seen: dict[str, int] = {}
    for entry in writes:
        for name in {entry.full_url, f"{entry.type}/{entry.id}" if entry.id else ""} - {""}:
            if name in seen:
                raise at_entry(
                    bad_request(
                        "Another entry has the same identity", code="duplicate", text="同一资源在事务中出现多次"
                    ),
                    entry.index,
                )
            seen[name] = entry.index


def _audit(request: FhirRequest, intent: Intent, stored: Stored | None) -> AuditRow:
    status = 204 if stored is None or stored.is_deleted else 201 if stored.is_created else 200
    return audit.row(
        request.at, request.caller, _INTERACTIONS[intent.method], status, intent.type, intent.id, of=stored
    )


def _write_entries(request: FhirRequest, written: Mapping[int, Stored | None], service: Service) -> dict[int, str]:
    with_resource = "return=representation" in request.prefer and preferred_return(request.prefer) == "representation"
    return {n: write_entry(stored, service.base, with_resource=with_resource) for n, stored in written.items()}


async def _read_entries(
    reads: Sequence[Entry], answers: dict[int, str], request: FhirRequest, service: Service, inside: Stores
) -> dict[int, str]:
    """What a transaction reads, it reads as it will be when the transaction is done; a failure undoes all."""
    here = msgspec.structs.replace(service, stores=inside)
    for entry in reads:
        try:
            answers[entry.index] = batch.entry_of(await batch.answer_read(entry, request, here))
        except FhirError as error:
            raise at_entry(error, entry.index) from error
    return answers
