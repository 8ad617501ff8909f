"""The transaction interaction: all or nothing, across owners: http://hl7.org/fhir/R4/http.html#transaction (docs/adr/0001)

The coordinator finds what criteria match, gives each new resource its id and resolves the references between entries; each owner prepares
the versions of its types and writes nothing; then one commit writes them all. When another commit came first, all of it is done again on
what is there now. No connection is held while a peer is asked.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from services.fhir import audit
from services.fhir.bundle import bundle, write_entry
from services.fhir.headers import preferred_return
from services.fhir.interactions import batch, owners
from services.fhir.interactions.commit import decided_again, put
from services.fhir.interactions.conditional import (
    Found,
    check_still_there,
    look,
    read_criteria,
    settle,
)
from services.fhir.interactions.envelope import Entry, at_entry, in_processing_order
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.links import (
    ByCriteria,
    Links,
    Places,
    assigned_ids,
    conditional_references,
    resolve,
    with_places,
)
from services.fhir.interactions.one_person import known_to
from services.fhir.interactions.prepare import Prepared
from services.fhir.outcomes import FhirError, bad_request
from services.fhir.patch import patch_in_entry
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.grants import WriteRefused
from services.fhir.store.rows import Claim, Stored, Write
from services.fhir.store.shards import new_id
from services.fhir.store.store import Store, Stores
from services.fhir.validation import parse, validate

_INTERACTIONS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


async def transaction(request: FhirRequest, service: Service, entries: list[Entry]) -> Answer:
    ordered = in_processing_order(entries)
    everything = await owners.with_all_types(service)
    for entry in ordered:
        batch.check_entry_scope(entry, request.caller)
    writes = [e for e in ordered if e.writes]
    _check_unique((e.full_url, e.index) for e in writes if e.full_url)
    attempt = _Attempt(request, everything, entries, writes, [e for e in ordered if not e.writes])
    return await decided_again(attempt.run, service)


class _Attempt:
    """One way through the transaction; `run` begins anew each time."""

    def __init__(
        self,
        request: FhirRequest,
        service: Service,
        entries: Sequence[Entry],
        writes: Sequence[Entry],
        reads: Sequence[Entry],
    ) -> None:
        self.request = request
        self.service = service
        self.entries = entries
        self.writes = writes
        self.reads = reads

    async def run(self) -> Answer:
        found = await self._found()
        settled = _settled(self.writes, found)
        meant = [e for e in self.writes if e.index in settled]
        intents = await self._intents(meant, settled, found)
        prepared = await owners.prepare_all(intents, self.request.caller, self.service)
        for n, each in found.items():
            if n in prepared.writes:
                check_still_there(prepared.writes[n], each)
        try:
            return await self.service.stores.committing_once(lambda store: self._commit(store, prepared, found))
        except WriteRefused as refused:
            raise at_entry(refused, _index_of(refused.write, prepared.writes)) from refused

    async def _found(self) -> dict[int, Found]:
        """What the criteria of conditional entries match; criteria may name the fullUrl of an entry that matched something."""
        persons = [e for e in self.writes if e.method == "POST" and e.type == "Patient" and e.criteria is None]
        conditional = [e for e in self.writes if e.criteria is not None]
        if not conditional and not persons:
            return {}
        conditional.sort(key=lambda e: "urn%3A" in (e.criteria or "") or "urn:" in (e.criteria or ""))
        return await self.service.stores.reading(lambda store: self._look(persons, conditional, store))

    async def _known(self, persons: Sequence[Entry], store: Store) -> dict[int, Found]:
        """A create of a person who is known means that patient: one_person.py."""
        found = {}
        for entry in persons:
            try:
                resource = parse(entry.raw, entry.type)  # what is no Patient has no identity to look for
                validate(resource)
                one = await known_to(store, self.service, resource)
            except FhirError as error:
                raise at_entry(error, entry.index) from error
            if one is not None:
                found[entry.index] = Found(one, Claim("", 0))
        return found

    async def _look(self, persons: Sequence[Entry], entries: Sequence[Entry], store: Store) -> dict[int, Found]:
        found = await self._known(persons, store)
        places = {
            e.full_url: f"Patient/{f.one.id}" for e in persons if e.full_url and (f := found.get(e.index)) and f.one
        }
        for entry in entries:
            try:
                self.service.check(entry.type, "search-type")
                text = with_places(entry.criteria or "", places)
                criteria = read_criteria(entry.type, text, self.request.at, self.request.caller, self.service)
                found[entry.index] = each = await look(criteria, store)
            except FhirError as error:
                raise at_entry(error, entry.index) from error
            if each.one is not None and entry.full_url:
                places[entry.full_url] = f"{entry.type}/{each.one.id}"
        return found

    async def _intents(
        self, meant: Sequence[Entry], settled: Mapping[int, Intent], found: Mapping[int, Found]
    ) -> dict[int, Intent]:
        """Ids, then references: those by criteria last, so that they find what this transaction creates."""
        references = conditional_references(meant, self.service.base)
        targets = {by.type for by in references.values()}
        alone = targets.isdisjoint(e.type for e in meant)
        resolved = await self._resolve(references, {}, self.service.stores) if alone and references else {}
        known = {n: intent.id for n, intent in settled.items() if intent.id}
        ids = assigned_ids(meant, known, resolved, self.service.clock.now())
        existing = {n: f.one.id for n, f in found.items() if f.one is not None}
        _check_unique(
            (f"{e.type}/{(ids | existing)[e.index]}", e.index) for e in self.writes if e.index in ids | existing
        )
        _check_unique((f.claim.key, n) for n, f in found.items() if f.one is None and n in settled)
        places = {
            e.full_url: f"{e.type}/{(ids | existing)[e.index]}"
            for e in self.writes
            if e.full_url and e.method != "DELETE" and e.index in ids | existing
        }
        if references and not alone:
            resolved = await self._rehearse([e for e in meant if e.type in targets], settled, ids, places, references)
        return _with_links(meant, settled, ids, Links(places, resolved))

    async def _resolve(self, references: Mapping[str, ByCriteria], places: Places, stores: Stores) -> dict[str, str]:
        caller, at = self.request.caller, self.request.at
        return await stores.reading(lambda store: resolve(references, places, caller, at, store, self.service))

    async def _rehearse(
        self,
        entries: Sequence[Entry],
        settled: Mapping[int, Intent],
        ids: Mapping[int, str],
        places: Places,
        references: Mapping[str, ByCriteria],
    ) -> dict[str, str]:
        """Write what the references may lead to, look, and undo it: then the search itself says what they find."""
        now = self.service.clock.now()
        pending = {reference: f"{by.type}/{new_id(now)}" for reference, by in references.items()}
        intents = _with_links(entries, settled, ids, Links(places, pending))
        rehearsed = await owners.prepare_all(intents, self.request.caller, self.service, rehearsing=True)
        writes = [w for w in rehearsed.writes.values() if w is not None]
        try:
            return await self.service.stores.rehearsing(
                writes, lambda inside: self._resolve(references, places, inside)
            )
        except WriteRefused as refused:
            raise at_entry(refused, _index_of(refused.write, rehearsed.writes)) from refused

    async def _commit(self, store: Store, prepared: Prepared, found: Mapping[int, Found]) -> Answer:
        written = put(store, prepared, self.service)
        unchanged = {n: f.one for n, f in found.items() if n not in written}
        store.claim(*(f.claim for n, f in found.items() if f.one is None and prepared.writes.get(n) is not None))
        answers = {}
        for entry in self.writes:
            stored = written[entry.index] if entry.index in written else unchanged[entry.index]
            self._audit(store, entry, stored)
            answers[entry.index] = write_entry(
                stored, self.service.base, preferred_return(self.request.prefer, "minimal")
            )
        if not self.reads:
            return self._answer(answers)
        return await store.commit_after(lambda inside: self._answer_after(answers, store, inside))

    def _answer(self, answers: Mapping[int, str]) -> Answer:
        return Answer(200, bundle("transaction-response", [answers[e.index] for e in self.entries]))

    async def _answer_after(self, answers: dict[int, str], store: Store, inside: Stores) -> Answer:
        await self._read(answers, inside)
        answer = self._answer(answers)
        store.answer(answer)
        return answer

    def _audit(self, store: Store, entry: Entry, stored: Stored | None) -> None:
        status = 204 if stored is None or stored.is_deleted else 201 if stored.is_created else 200
        interaction = _INTERACTIONS[entry.method]
        resource_id = stored.id if stored else entry.id or None
        store.audit(
            audit.row(self.request.at, self.request.caller, interaction, status, entry.type, resource_id, of=stored)
        )

    async def _read(self, answers: dict[int, str], inside: Stores) -> None:
        """What a transaction reads, it reads as it will be when the transaction is done; a failure undoes all."""
        here = msgspec.structs.replace(self.service, stores=inside)
        for entry in self.reads:
            try:
                answers[entry.index] = batch.entry_of(await batch.answer_read(entry, self.request, here))
            except FhirError as error:
                raise at_entry(error, entry.index) from error


def _index_of(write: Write, prepared: Mapping[int, Write | None]) -> int:
    return next(n for n, each in prepared.items() if each and (each.type, each.id) == (write.type, write.id))


def _settled(writes: Sequence[Entry], found: Mapping[int, Found]) -> dict[int, Intent]:
    """The writes that are meant, with the ids of what was matched; what needs no write is left out."""
    settled = {}
    for entry in writes:
        try:
            intent: Intent | None = _intent(entry)
            if entry.index in found:
                intent = settle(_intent(entry), found[entry.index])
        except FhirError as error:
            raise at_entry(error, entry.index) from error
        if intent is not None:
            settled[entry.index] = intent
    return settled


def _intent(entry: Entry) -> Intent:
    return Intent(
        method=entry.method,  # type: ignore[arg-type]  # `writes` holds these four only
        type=entry.type,
        id=entry.id,
        body=entry.raw,
        if_match=entry.request.if_match if entry.method != "POST" else None,
        if_none_match=entry.request.if_none_match if entry.method != "POST" else None,
    )


def _with_links(
    entries: Sequence[Entry], settled: Mapping[int, Intent], ids: Mapping[int, str], links: Links
) -> dict[int, Intent]:
    intents = {}
    for entry in entries:
        body, kind = links.rewritten(entry), ""
        if entry.method == "PATCH":
            kind, body = _patch(entry, body, links)
        intents[entry.index] = msgspec.structs.replace(settled[entry.index], id=ids[entry.index], body=body, patch=kind)
    return intents


def _patch(entry: Entry, body: bytes, links: Links) -> tuple[str, bytes]:
    try:
        kind, patch = patch_in_entry(entry.resource, body)
    except FhirError as error:
        raise at_entry(error, entry.index) from error
    return kind, patch if patch is body else links.within(patch)


def _check_unique(identities: Iterable[tuple[str, int]]) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: no two entries may mean the same resource, or claim the same fullUrl."""
    seen = set()
    for identity, index in identities:
        if identity in seen:
            raise at_entry(
                bad_request("Another entry has the same identity", code="duplicate", text="同一资源在事务中出现多次"),
                index,
            )
        seen.add(identity)
