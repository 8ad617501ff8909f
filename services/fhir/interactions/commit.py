"""One request's way to its commit: prepare, ask other owners for what was decided beside it, commit once, try again when another came first."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from services.fhir import audit
from services.fhir.interactions import owners
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.service import Service
from services.fhir.store.holds import NothingFreeError
from services.fhir.store.rows import AuditRow, Stored
from services.fhir.store.sight import NOTHING_KNOWN, Known
from services.fhir.store.store import Store

T = TypeVar("T")

Written = Mapping[int, Stored | None]
"""By the numbers of the intents; None for a deletion of what is not there."""

Finish = Callable[[Store, Written], T]
"""Adds the audit rows and claims to the commit, and makes of it what is answered once it is done."""

Plan = Callable[[Store], Awaitable[tuple[Prepared, Finish[T]]]]
"""What is to be written on what is there now: begun anew with each attempt."""


class UnpreparedError(Exception):
    """A commit was about to be made without what was decided beside it."""


async def carry_out(plan: Plan[T], service: Service) -> T:
    """Nothing is held while others are asked; what was decided on what is no longer so is decided again."""
    result, unwritten = await decided_again(lambda: _attempt(plan, service), service)
    if unwritten:
        await service.stores.audit_log.record(*unwritten)
    return result


async def write(intent: Intent, service: Service, finish: Callable[[Store, Stored | None], T]) -> T:
    """One version, as one interaction writes it."""
    return await carry_out(partial(_one, intent, service, finish), service)


async def _one(
    intent: Intent, service: Service, finish: Callable[[Store, Stored | None], T], store: Store
) -> tuple[Prepared, Finish[T]]:
    return await prepare({0: intent}, store, service), lambda store, written: finish(store, written[0])


async def write_all(
    intents: Mapping[int, Intent], service: Service, finish: Finish[T], known: Known = NOTHING_KNOWN
) -> T:
    """Versions of several resources and owners, as an operation writes them: all or none. What is `known` counts for the first attempt."""
    seen = [known]

    async def attempt() -> T:
        knows = seen.pop() if seen else NOTHING_KNOWN
        prepared = await owners.prepare_all(intents, service.caller, service, known=knows)
        return await service.stores.committing_once(lambda store: _finished(store, prepared, finish, service))

    return await decided_again(attempt, service)


async def decided_again(attempt: Callable[[], Awaitable[T]], service: Service) -> T:
    """A decision that takes a place which is gone meanwhile is made once more, on what it can see now, before it fails."""

    async def twice() -> T:
        try:
            return await attempt()
        except NothingFreeError:
            return await attempt()

    return await service.stores.retrying(twice)


def put(store: Store, prepared: Prepared, service: Service) -> Written:
    """Add all of it to the commit; what it changes beside the request's own versions is remembered too, as of who asked."""
    if prepared.wanted:
        raise UnpreparedError(", ".join(each.type for each in prepared.wanted))
    written = {n: store.put(each) if each else None for n, each in prepared.writes.items()}
    for each in prepared.also:
        beside = store.put(each)
        if not beside.is_created:
            store.audit(_beside(beside, service))
    store.agree(prepared.terms)
    return written


async def _attempt(plan: Plan[T], service: Service) -> tuple[T, list[AuditRow]]:
    """What is left to be remembered is recorded by many at once, so not while others wait for this attempt."""
    async with service.stores.open() as store:
        prepared, finish = await plan(store)
        if not prepared.wanted:
            return await _committed(store, prepared, finish, service)
    whole = await owners.complete(prepared, service.caller, service)
    async with service.stores.open() as store:
        return await _committed(store, whole, finish, service)


async def _committed(store: Store, prepared: Prepared, finish: Finish[T], service: Service) -> tuple[T, list[AuditRow]]:
    result = finish(store, put(store, prepared, service))
    store.answer(result)  # type: ignore[arg-type]  # a request with a key is answered with an Answer
    return result, await store.commit()


def _beside(stored: Stored, service: Service) -> AuditRow:
    interaction, status = ("delete", 204) if stored.is_deleted else ("update", 200)
    return audit.row(service.clock.now(), service.caller, interaction, status, stored.type, stored.id, of=stored)


async def _finished(store: Store, prepared: Prepared, finish: Finish[T], service: Service) -> T:
    return finish(store, put(store, prepared, service))
