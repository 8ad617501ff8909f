"""From what a request wants written to all that its commit writes: drafted, decided on, indexed, stamped; nothing written yet.

A transaction asks each owner to prepare its entries and commits them all at once (docs/adr/0001). There is no other way to a version: create,
update, patch, delete, their conditional forms, every bundle, every operation and $import pass through here, and so past the
business of the owner (docs/adr/0025).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.fhir.business import RefusedChange
from services.fhir.interactions.decide import decide
from services.fhir.interactions.draft import Draft, check_reserved, draft
from services.fhir.interactions.emergencies import notices_of
from services.fhir.interactions.granted import check_granted
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.qualified import check_qualified
from services.fhir.interactions.version import version
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store.rows import Write
from services.fhir.store.store import Store
from services.fhir.store.terms import Terms, joined
from services.fhir.store.write import VersionConflict

Json = dict[str, Any]


class BadDecisionError(Exception):
    """What a business wants written beside a change can't be: a mistake of its own, and no fault of who asked."""


class Prepared(msgspec.Struct, frozen=True):
    """All of one commit. `writes` go by the numbers of their intents, None for a deletion of what is not there.

    `also` is what was decided beside them; `wanted` what of it is still to be prepared by other owners.
    """

    writes: dict[int, Write | None] = {}
    also: tuple[Write, ...] = ()
    wanted: tuple[Intent, ...] = ()
    terms: Terms = Terms()

    def one(self) -> Write | None:
        """The version of the only intent."""
        return next(iter(self.writes.values()), None)

    def beside(self) -> "Prepared":
        """The same as parts of another commit."""
        return msgspec.structs.replace(self, writes={}, also=(*filter(None, self.writes.values()), *self.also))


def together(parts: Iterable[Prepared]) -> Prepared:
    """One commit of several preparations, whose intents have different numbers."""
    parts = [*parts]
    return Prepared(
        writes={n: write for each in parts for n, write in each.writes.items()},
        also=tuple(write for each in parts for write in each.also),
        wanted=tuple(intent for each in parts for intent in each.wanted),
        terms=joined(each.terms for each in parts),
    )


async def prepare(
    intents: Mapping[int, Intent],
    store: Store,
    service: Service,
    others: Mapping[str, Json] | None = None,
    *,
    rehearsing: bool = False,
) -> Prepared:
    """Raise a RefusedChange, which is a FhirError, for the first intent that can't be. A rehearsal is not decided on, and never committed."""
    await _fetch(intents.values(), store, service)
    drafts = {n: await _draft(n, intent, store, service) for n, intent in intents.items()}
    if rehearsing:
        return Prepared({n: _rehearsed(n, each, service) if each else None for n, each in drafts.items()})
    platform = store.as_platform()
    await check_qualified(drafts, platform, service)
    decided = await decide(drafts, {} if others is None else others, store, service)
    writes = {n: _version(n, each, service) if each else None for n, each in decided.drafts.items()}
    told = await notices_of(writes.values(), platform, service)
    also = [msgspec.structs.replace(each, by_platform=True) for each in (*decided.decision.also, *told)]
    own = [each for each in also if each.type in service.stores.owned]
    return Prepared(
        writes,
        await prepare_also(own, platform, service) if own else (),
        tuple(each for each in also if each.type not in service.stores.owned),
        decided.terms,
    )


async def prepare_also(intents: Iterable[Intent], platform: Store, service: Service) -> tuple[Write, ...]:
    """Versions that a decision wants beside others, of own types. `VersionConflict` where it was made of an older version."""
    acting = service.as_platform()
    intents = [*intents]
    await _fetch(intents, platform, acting)
    writes = []
    for intent in intents:
        try:
            drafted = await draft(intent, platform, acting)
        except FhirError as error:
            if error.status in (409, 410, 412):
                raise VersionConflict from error
            raise BadDecisionError(f"{intent.method} {intent.type}: {error}") from error
        if drafted is not None:
            writes.append(version(drafted, acting))
    return tuple(writes)


async def _draft(number: int, intent: Intent, store: Store, service: Service) -> Draft | None:
    try:
        if intent.by_platform:
            return await draft(intent, store.as_platform(), service.as_platform())
        drafted = await draft(intent, store, service)
        if drafted is not None:
            check_reserved(drafted, service)
            check_granted(drafted, service)
    except FhirError as error:
        raise RefusedChange(error, number) from error
    return drafted


def _version(number: int, drafted: Draft, service: Service) -> Write:
    try:
        return version(drafted, service.as_platform() if drafted.intent.by_platform else service)
    except FhirError as error:
        raise RefusedChange(error, number) from error


def _rehearsed(number: int, drafted: Draft, service: Service) -> Write:
    decided = msgspec.structs.replace(drafted, is_decided=True)
    return msgspec.structs.replace(_version(number, decided, service), is_rehearsed=True)


async def _fetch(intents: Iterable[Intent], store: Store, service: Service) -> None:
    """Read in one round trip for each type what is to be replaced, where that is more than one."""
    by_type: dict[str, list[str]] = defaultdict(list)
    for intent in intents:
        if intent.method != "POST" and intent.type in service.served:
            by_type[intent.type].append(intent.id)
    for resource_type, ids in by_type.items():
        if len(ids) > 1:
            await store.fetch(resource_type, ids)
