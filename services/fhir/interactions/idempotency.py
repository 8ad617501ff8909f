"""One effect for one Idempotency-Key, however often a client has to ask (docs/adr/0035).

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: the same key and request are answered as the first time, another
request under the key is 422, one that is still under way 409. What was refused is not remembered: nothing came of it.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec

from services.fhir.interactions.answers import unknown
from services.fhir.outcomes import bad_request, conflict, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import idempotency
from services.fhir.store.idempotency import Effect, Kept
from services.fhir.store.rows import Stored
from services.kit.caller import Caller
from services.kit.ids import uuid7

Handler = Callable[[FhirRequest, Service], Awaitable[Answer]]

HEADER: Final = b"idempotency-key"
_REPLAYED: Final = (b"idempotency-replayed", b"true")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SAID: Final = (b"if-none-exist", b"content-type")  # headers that make it another request
BATCH: Final = 0
"""The status of a batch that is done: its entries have remembered their own answers."""


async def once(handler: Handler, request: FhirRequest, service: Service) -> Answer:
    """Let the handler answer, and its commit remember it; or answer what was remembered, as far as the caller still sees it."""
    key, asked = _key(request.header(HEADER), request.caller), _asked(request)
    effect = Effect(key, uuid7())
    if kept := await _begun(effect, asked, service):
        return await _again(kept, asked, handler, request, service)
    return await _carried_out(effect, handler, request, service)


def of_entry(key: str, number: int) -> str:
    """The key of one entry of a batch, whose entries are requests of their own."""
    return f"{hashlib.sha256(key.encode()).hexdigest()}/{number}" if key else ""


async def mark_batch(service: Service) -> None:
    """A batch that has ended: asked again, its entries say what they said."""
    if (effect := service.stores.effect) is not None:
        async with service.stores.database.connection() as connection:
            await effect.keep(connection, Answer(BATCH), (), None)
        effect.is_done = True


async def _begun(effect: Effect, asked: str, service: Service) -> Kept | None:
    """None when the request may begin; else what is known of the one before."""
    now, keep = service.clock.now(), timedelta(days=service.keep_days)
    async with service.stores.database.connection() as connection:
        if await idempotency.begin(connection, effect, asked, now, keep):
            return None
        kept = await idempotency.find(connection, effect.key, service.stores.vault)
    return kept or Kept(asked, None)


async def _carried_out(effect: Effect, handler: Handler, request: FhirRequest, service: Service) -> Answer:
    """What came to nothing is released, so that it can be asked again at once."""
    stores = msgspec.structs.replace(service.stores, effect=effect)
    try:
        return await handler(request, msgspec.structs.replace(service, stores=stores))
    finally:
        if not effect.is_done:
            async with service.stores.database.connection() as connection:
                await idempotency.release(connection, effect)


async def _again(kept: Kept, asked: str, handler: Handler, request: FhirRequest, service: Service) -> Answer:
    if kept.asked != asked:
        raise unprocessable(
            "This Idempotency-Key was used for another request", code="business-rule", text="该幂等键已用于其他请求"
        )
    if kept.status is None:
        raise conflict(
            "The first request under this Idempotency-Key is still under way",
            code="lock-error",
            text="该幂等键的首次请求仍在处理中，请稍后重试",
            headers={"Retry-After": "1"},
        )
    if kept.status == BATCH:
        answer = await handler(request, service)
        return Answer(answer.status, answer.body, (*answer.headers, _REPLAYED))
    await _check_seen(kept, request, service)
    return Answer(kept.status, kept.body, (*kept.headers, _REPLAYED))


async def _check_seen(kept: Kept, request: FhirRequest, service: Service) -> None:
    """The answer shows what it showed: 404 unless the caller still sees all of it. To be shown it again is an access like any other."""
    found = await _seen(kept, service)
    if len(found) < len(kept.names):
        await service.stores.audit_log.record(request.audit("read", 404))
        raise unknown(request.type or "resource")
    one = found[0] if len(found) == 1 else None
    about = (patient for each in found for patient in (each.patients or (each.patient,)))
    await service.stores.audit_log.record(request.audit("read", kept.status or 200, of=one, about=about))


async def _seen(kept: Kept, service: Service) -> list[Stored]:
    by_type: dict[str, list[str]] = defaultdict(list)
    for name in kept.names:
        resource_type, _, resource_id = name.partition("/")
        by_type[resource_type].append(resource_id)
    async with service.stores.open() as store:
        return [each for kind, ids in by_type.items() for each in await store.read_many(kind, ids)]


def _key(given: str, caller: Caller) -> str:
    """A key is its client's, organization's and person's own; it is kept as a hash."""
    if not _KEY.fullmatch(given):
        raise bad_request(
            "Idempotency-Key: up to 255 visible ASCII characters", code="value", text="幂等键须为不超过 255 个可见字符"
        )
    bound = "\0".join((caller.client, caller.organization, caller.practitioner or "", given))
    return hashlib.sha256(bound.encode()).hexdigest()


def _asked(request: FhirRequest) -> str:
    """What makes a request another one: method, target, conditions and body."""
    target = (request.method, request.type, request.id, request.operation, request.query)
    headers = (request.header(name) for name in _SAID)
    said = hashlib.sha256("\0".join((*target, *headers)).encode())
    said.update(b"\0" + request.body)
    return said.hexdigest()
