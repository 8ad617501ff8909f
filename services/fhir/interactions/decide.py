"""Put the governed drafts of a commit before the business of their owner, once (docs/adr/0025)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from services.fhir.body import spliced
from services.fhir.business import Business, Change, Decision, RefusedChange
from services.fhir.interactions.draft import Draft, is_undecided, rewritten
from services.fhir.outcomes import FhirError
from services.fhir.search.parameters import patient_of
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store import holds
from services.fhir.store.rows import Stored
from services.fhir.store.search import Page
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store
from services.fhir.store.terms import Rest, Terms, Timers, place_of
from services.fhir.validation import parse

Json = dict[str, Any]

MOST_FOUND: Final = 1000


class Decided(msgspec.Struct, frozen=True):
    """All drafts, the governed ones as they are to be stored; `decision` is nothing where nothing was governed."""

    drafts: dict[int, Draft | None]
    decision: Decision
    terms: Terms


class Deciding:
    """The `Context` of one decision, on the connection of the attempt. `store` reads as the platform, `own` as the caller."""

    def __init__(self, store: Store, service: Service, own: Store | None = None) -> None:
        self.caller = service.caller
        self.at = service.clock.now()
        self.zone = service.zone
        self.base = service.base
        self._store = store
        self._own = own or store
        self._shards: dict[tuple[str, str], int] = {}

    async def read(self, resource_type: str, resource_id: str) -> tuple[Json, int] | None:
        found = await self._store.to_write(resource_type, resource_id)
        return self._opened(found) if found is not None and found.body is not None else None

    async def seen(self, resource_type: str, resource_id: str) -> tuple[Json, int] | None:
        found = await self._own.read(resource_type, resource_id)
        return self._opened(found) if found is not None and found.body is not None else None

    async def fetch(self, names: Iterable[str]) -> None:
        await self._store.fetch_named(names)

    async def search(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> list[tuple[Json, int]]:
        page = await self._page(resource_type, parameters, MOST_FOUND)
        if page.next is not None:
            raise RuntimeError(f"more than {MOST_FOUND} {resource_type} to decide on")
        return [self._opened(found) for found in page.matches]

    async def holders(self, keys: Sequence[str]) -> Mapping[str, str]:
        return await self._store.run(holds.holders, keys, self.at)

    async def first(
        self, resource_type: str, parameters: Sequence[tuple[str, str]], count: int
    ) -> list[tuple[Json, int]]:
        page = await self._page(resource_type, parameters, count)
        return [self._opened(found) for found in page.matches]

    async def _page(self, resource_type: str, parameters: Sequence[tuple[str, str]], count: int) -> Page:
        query = parse_search(resource_type, parameters, now=self.at, strict=True, base=self.base, zone=self.zone)
        return await self._store.search(msgspec.structs.replace(query, count=count))

    async def held(self, keys: Sequence[str]) -> Mapping[str, int]:
        return await self._store.run(holds.held, keys, self.at)

    def new_id(self, patient: str | None = None) -> str:
        return new_id(self.at, shard_of(patient) if patient else None)

    def rest(self, resource_type: str, resource_id: str, version: int) -> Rest:
        shard = self._shards.get((resource_type, resource_id))
        return Rest(resource_type, resource_id, version, place_of(resource_id, shard))

    def _opened(self, found: Stored) -> tuple[Json, int]:
        self._shards[found.type, found.id] = found.shard
        return parse((found.body or "").encode(), found.type), found.version


async def decide(
    drafts: Mapping[int, Draft | None], others: Mapping[str, Json], own: Store, service: Service
) -> Decided:
    """Raise what the business refuses, named by the draft that it means; `own` is the store of who asks."""
    governed = [n for n, each in drafts.items() if each and is_undecided(each, service)]
    if not governed or service.business is None:
        return Decided(dict(drafts), Decision(), Terms())
    settled = {n: _with_id(each, service) if n in governed and each else each for n, each in drafts.items()}
    changes = [_change(settled[n]) for n in governed]
    context = Deciding(own.as_platform(), service, own)
    decision = await _asked(service.business, changes, governed, others, context)
    for place, said in decision.bodies.items():
        each = settled[governed[place]]
        settled[governed[place]] = each and rewritten(each, said, spliced(each.body, said))
    for n in governed:
        settled[n] = msgspec.structs.replace(settled[n], is_decided=True)  # type: ignore[type-var]
    return Decided(settled, decision, _terms(decision, context, service))


async def _asked(
    business: Business,
    changes: Sequence[Change],
    numbers: Sequence[int],
    others: Mapping[str, Json],
    context: Deciding,
) -> Decision:
    try:
        return await business(changes, others, context)
    except RefusedChange as refused:
        raise RefusedChange(refused, numbers[refused.number]) from refused
    except FhirError as error:
        meant = {expression.partition(".")[0] for issue in error.issues for expression in issue.expression}
        first = next((n for n, each in zip(numbers, changes, strict=True) if each.type in meant), numbers[0])
        raise RefusedChange(error, first) from error


def _with_id(drafted: Draft, service: Service) -> Draft:
    """A create has its id before it is decided on, so that what else is made can name it."""
    intent = drafted.intent
    if intent.id or drafted.resource is None:
        return drafted
    patient = patient_of(intent.type)(drafted.resource, f"{service.base}/") if intent.type != "Patient" else None
    made = new_id(service.clock.now(), shard_of(patient) if patient else None)
    return msgspec.structs.replace(drafted, intent=msgspec.structs.replace(intent, id=made))


def _change(drafted: Draft | None) -> Change:
    assert drafted is not None  # noqa: S101 - what is governed is a draft
    intent, resource = drafted.intent, drafted.resource
    after = {**resource, "id": intent.id} if resource is not None else None
    author = drafted.current.author if drafted.current else None
    return Change(intent.type, intent.id, drafted.before, after, drafted.version, author)


def _terms(decision: Decision, context: Deciding, service: Service) -> Terms:
    return Terms(
        rests_on=tuple(context.rest(*each) for each in decision.rests_on),
        takes=decision.takes,
        frees=decision.frees,
        timers=tuple(Timers(service.name, holder, timers) for holder, timers in decision.timers.items()),
    )
