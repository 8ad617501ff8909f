"""Ask the owner of each type, here or in another service, to prepare what a transaction wants written (docs/adr/0001)."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from services.fhir.interactions.envelope import at_entry
from services.fhir.interactions.prepare import Intent, prepare
from services.fhir.outcomes import FhirError, Issue, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.served import ServedType
from services.fhir.service import Service
from services.fhir.store.rows import Write
from services.fhir.store.store import Store
from services.kit.caller import HEADER, Caller, sign
from services.kit.peers import PeerUnavailable

PREPARE: Final = "/internal/prepare"


class Prepared(msgspec.Struct, tag=True, frozen=True):
    """Versions by entry number; None for a deletion of what is not there."""

    writes: dict[int, Write | None]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The first entry that its owner does not accept."""

    index: int
    status: int
    issues: tuple[Issue, ...]


_decode_intents: Final = msgspec.msgpack.Decoder(dict[int, Intent])
_decode_reply: Final = msgspec.msgpack.Decoder(Prepared | Refused)


async def with_all_types(service: Service) -> Service:
    """The service as one that knows every type of its peers too: any service may read any table."""
    listed = await service.peers.directory.served()
    types = {t["type"]: msgspec.convert(t, ServedType) for served in listed.values() for t in served}
    return msgspec.structs.replace(service, served=types)


async def prepare_all(intents: Mapping[int, Intent], caller: Caller, service: Service) -> dict[int, Write | None]:
    """Prepare each intent at its owner; the first refusal is raised, named by its entry.

    To be called without a connection in hand: each owner takes one of its own, in this process from the same pool.
    """
    by_owner: dict[str, dict[int, Intent]] = defaultdict(dict)
    for n, intent in intents.items():
        by_owner[await _owner(intent.type, n, service)][n] = intent
    replies = await asyncio.gather(*(_ask(owner, part, caller, service) for owner, part in by_owner.items()))
    refusals = [r for r in replies if isinstance(r, Refused)]
    if refusals:
        first = min(refusals, key=lambda r: r.index)
        raise at_entry(FhirError(first.status, first.issues), first.index)
    prepared = {n: w for r in replies if isinstance(r, Prepared) for n, w in r.writes.items()}
    return {n: prepared[n] for n in intents}


async def _owner(resource_type: str, index: int, service: Service) -> str:
    owner = await service.peers.directory.owner(resource_type)
    if owner is None:
        raise at_entry(not_found("No such resource type", code="not-supported", text="不支持该资源类型"), index)
    return owner


async def _ask(owner: str, intents: dict[int, Intent], caller: Caller, service: Service) -> Prepared | Refused:
    if owner == service.name:
        return await service.stores.reading(lambda store: _prepare_here(intents, store, service))
    body = msgspec.msgpack.encode(intents)
    signature = sign(caller, "POST", PREPARE, body, service.internal_key, service.clock.seconds())
    answer = await service.peers.call(owner, "POST", PREPARE, [(HEADER.encode(), signature.encode())], body)
    if answer.status != 200:  # noqa: PLR2004
        raise PeerUnavailable(owner)
    reply: Prepared | Refused = _decode_reply.decode(answer.body)
    return reply


async def _prepare_here(intents: dict[int, Intent], store: Store, service: Service) -> Prepared | Refused:
    by_type: dict[str, list[str]] = defaultdict(list)
    for intent in intents.values():
        if intent.method != "POST" and intent.type in service.served:
            by_type[intent.type].append(intent.id)
    for resource_type, ids in by_type.items():
        await store.fetch(resource_type, ids)
    writes: dict[int, Write | None] = {}
    for n, intent in intents.items():
        try:
            writes[n] = await prepare(intent, store, service)
        except FhirError as error:
            return Refused(n, error.status, error.issues)
    return Prepared(writes)


async def answer_prepare(request: FhirRequest, service: Service) -> Answer:
    """The owner's side of `_ask`; only a service that can sign for the caller gets here."""
    intents = _decode_intents.decode(request.body)
    reply = await service.stores.reading(lambda store: _prepare_here(intents, store, service))
    return Answer(200, msgspec.msgpack.encode(reply))
