"""Ask the owner of each type, here or in another service, to prepare what a commit is to write (docs/adr/0001, docs/adr/0025)."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.fhir.business import RefusedChange
from services.fhir.interactions.envelope import at_entry
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import BadDecisionError, Prepared, prepare, prepare_also, together
from services.fhir.outcomes import FhirError, Issue, conflict, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.served import ServedType
from services.fhir.service import Service
from services.fhir.store.sight import NOTHING_KNOWN, Known
from services.fhir.store.store import Store
from services.fhir.store.write import VersionConflict
from services.fhir.validation import parse, validate
from services.kit.caller import HEADER, Caller, sign
from services.kit.peers import PeerUnavailable

Json = dict[str, Any]

PREPARE: Final = "/internal/prepare"


class Asked(msgspec.Struct, frozen=True):
    """`others` are the bodies of the rest of the transaction by `Type/id`; `also` is what another owner has decided beside its own."""

    intents: dict[int, Intent] = {}
    others: dict[str, bytes] = {}
    also: tuple[Intent, ...] = ()
    rehearsing: bool = False


class Done(msgspec.Struct, tag=True, frozen=True):
    prepared: Prepared


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The first entry that its owner does not accept."""

    index: int
    status: int
    issues: tuple[Issue, ...]


class Overtaken(msgspec.Struct, tag=True, frozen=True):
    """Another commit came between what was decided and what was to be prepared of it."""


class Mistaken(msgspec.Struct, tag=True, frozen=True):
    """What another owner decided can't be prepared, and never could."""

    text: str


Reply = Done | Refused | Overtaken | Mistaken

_decode_asked: Final = msgspec.msgpack.Decoder(Asked)
_decode_reply: Final = msgspec.msgpack.Decoder(Reply)


async def with_all_types(service: Service) -> Service:
    """The service as one that knows every type of its peers too: any service may read any table."""
    return msgspec.structs.replace(service, served=await service.peers.directory.each_type(_served_type))


def _served_type(said: Json) -> ServedType:
    return msgspec.convert(said, ServedType)


async def prepare_all(
    intents: Mapping[int, Intent],
    caller: Caller,
    service: Service,
    *,
    apart: bool = False,
    rehearsing: bool = False,
    known: Known = NOTHING_KNOWN,
) -> Prepared:
    """Prepare each intent at its owner; the first refusal is raised, named by its entry.

    To be called without a connection in hand: each owner takes one of its own, in this process from the same pool. Intents that stand
    `apart` share a commit, and otherwise know nothing of each other.
    """
    by_owner: dict[str, dict[int, Intent]] = defaultdict(dict)
    for n, intent in intents.items():
        by_owner[await _owner(intent.type, n, service)][n] = intent
    asked = {
        owner: Asked(part, {} if apart else await _others(part, intents, owner, service), rehearsing=rehearsing)
        for owner, part in by_owner.items()
    }
    whole = await complete(together(await _ask_all(asked, caller, service, known)), caller, service)
    _check_alone(whole)
    return msgspec.structs.replace(whole, writes={n: whole.writes[n] for n in intents})


async def complete(prepared: Prepared, caller: Caller, service: Service) -> Prepared:
    """The same with all that was decided beside it, prepared by its owners."""
    if not prepared.wanted:
        return prepared
    by_owner: dict[str, list[Intent]] = defaultdict(list)
    for intent in prepared.wanted:
        by_owner[await _owner(intent.type, 0, service)].append(intent)
    asked = {owner: Asked(also=tuple(also)) for owner, also in by_owner.items()}
    return together([msgspec.structs.replace(prepared, wanted=()), *await _ask_all(asked, caller, service)])


async def _others(
    part: Mapping[int, Intent], intents: Mapping[int, Intent], owner: str, service: Service
) -> dict[str, bytes]:
    """Only who has to decide on something needs to know of the rest."""
    listed = (await service.peers.directory.served()).get(owner, ())
    governed = {each["type"] for each in listed if each.get("governed")}
    if governed.isdisjoint(intent.type for intent in part.values()):
        return {}
    return {
        f"{each.type}/{each.id}": each.body
        for n, each in intents.items()
        if each.method in ("POST", "PUT") and not (n in part and each.type in governed)
    }


async def _ask_all(
    asked: Mapping[str, Asked], caller: Caller, service: Service, known: Known = NOTHING_KNOWN
) -> list[Prepared]:
    replies = await asyncio.gather(*(_ask(owner, each, caller, service, known) for owner, each in asked.items()))
    refusals = [reply for reply in replies if isinstance(reply, Refused)]
    if refusals:
        first = min(refusals, key=lambda each: each.index)
        raise at_entry(FhirError(first.status, first.issues), first.index)
    if any(isinstance(reply, Overtaken) for reply in replies):
        raise VersionConflict
    for reply in replies:
        if isinstance(reply, Mistaken):
            raise BadDecisionError(reply.text)
    return [reply.prepared for reply in replies if isinstance(reply, Done)]


def _check_alone(whole: Prepared) -> None:
    """What the platform writes beside an entry must not be another entry too."""
    named = Counter((each.type, each.id) for each in (*filter(None, whole.writes.values()), *whole.also))
    for n, each in whole.writes.items():
        if each is not None and named[each.type, each.id] > 1:
            raise at_entry(
                conflict(f"This {each.type} changes with another entry already", text="该资源已随其他条目变更"), n
            )


async def _owner(resource_type: str, index: int, service: Service) -> str:
    owner = await service.peers.directory.owner(resource_type)
    if owner is None:
        raise at_entry(not_found("No such resource type", code="not-supported", text="不支持该资源类型"), index)
    return owner


async def _ask(owner: str, asked: Asked, caller: Caller, service: Service, known: Known) -> Reply:
    if owner == service.name:
        return await service.stores.reading(lambda store: _prepare_here(asked, store, service, known))
    body = msgspec.msgpack.encode(_unread(asked))
    signature = sign(caller, "POST", PREPARE, body, service.internal_key, service.clock.seconds())
    answer = await service.peers.call(owner, "POST", PREPARE, [(HEADER.encode(), signature.encode())], body)
    if answer.status != 200:  # noqa: PLR2004
        raise PeerUnavailable(owner)
    reply: Reply = _decode_reply.decode(answer.body)
    return reply


def _unread(asked: Asked) -> Asked:
    """Each owner reads for itself what another sends."""
    intents = {n: msgspec.structs.replace(each, resource=None) for n, each in asked.intents.items()}
    return msgspec.structs.replace(asked, intents=intents)


async def _prepare_here(asked: Asked, store: Store, service: Service, known: Known = NOTHING_KNOWN) -> Reply:
    store.know(known)
    try:
        others = _Others(asked.others)
        prepared = await prepare(asked.intents, store, service, others, rehearsing=asked.rehearsing)
        also = await prepare_also(asked.also, store.as_platform(), service) if asked.also else ()
    except RefusedChange as refused:
        return Refused(refused.number, refused.status, refused.issues)
    except VersionConflict:
        return Overtaken()
    except BadDecisionError as mistake:
        return Mistaken(str(mistake))
    return Done(msgspec.structs.replace(prepared, also=(*prepared.also, *also)))


class _Others(Mapping[str, Json]):
    """What is not valid is left out: its own owner refuses it, and with it the whole.

    Each is opened when it is asked for, for a decision looks at few of them: to open all made a bundle of eighty half as dear again.
    """

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies
        self._opened: dict[str, Json | None] = {}

    def __getitem__(self, name: str) -> Json:
        if name not in self._opened:
            self._opened[name] = _opened(name, self._bodies[name])
        found = self._opened[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._bodies if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _opened(name: str, body: bytes) -> Json | None:
    try:
        resource = parse(body, None)
        validate(resource)
    except FhirError:
        return None
    return {**resource, "id": name.partition("/")[2]}


async def answer_prepare(request: FhirRequest, service: Service) -> Answer:
    """The owner's side of `_ask`; only a service that can sign for the caller gets here."""
    asked = _decode_asked.decode(request.body)
    reply = await service.stores.reading(lambda store: _prepare_here(asked, store, service))
    return Answer(200, msgspec.msgpack.encode(reply))
