"""From a list of ServedTypes to an app: what records, referral and care have in common."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol, TypedDict, Unpack
from zoneinfo import ZoneInfo

import msgspec
from fastapi import FastAPI, Response

from services.fhir.access.grants import Rule
from services.fhir.audit.chain import sealing
from services.fhir.audit.sealer import Sealer
from services.fhir.bulk.worker import Worker
from services.fhir.business import Business, Differs, Guarded, Hears, OnTimer, Reserved
from services.fhir.clockwork import Clockwork
from services.fhir.interactions.owners import PREPARE
from services.fhir.openapi import OPENAPI, describe
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import not_found, operation_outcome
from services.fhir.reindexing import Learner, Reindexer
from services.fhir.routes import fhir_routes
from services.fhir.served import Named, ServedType
from services.fhir.service import Advice, Service
from services.fhir.store.audit_log import AuditLog
from services.fhir.store.backlog import backlog_of
from services.fhir.store.cursors import link_keys
from services.fhir.store.searches_together import SearchesTogether
from services.fhir.store.store import Stores
from services.fhir.store.together import ReadsTogether
from services.fhir.store.vault import vault_of
from services.fhir.store.writes_together import WritesTogether
from services.fhir.subscriptions.listener import Listener
from services.fhir.subscriptions.notifier import Notifier
from services.fhir.subscriptions.pace import Pace
from services.fhir.subscriptions.topics import Topic
from services.fhir.sweeper import Sweeper
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database, role_of
from services.kit.directory import SERVED
from services.kit.metrics import CONTENT_TYPE, PATH, Metrics, pool_of
from services.kit.outbound import Outbound
from services.kit.paths import Paths
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.kit.straight import StraightApp


class Works(Protocol):
    """What goes on beside requests, as long as the service lives."""

    async def forever(self) -> None: ...


App = Callable[[Any, Any, Any], Awaitable[None]]


class Around(TypedDict, total=False):
    """What a service has from outside: of the process that holds several services; alone it opens its own. The clock is the system's."""

    database: Database | None
    peers: Peers | None
    clock: Clock | None


def create_service(  # noqa: PLR0913 - all that a service is made of
    name: str,
    served: Sequence[ServedType],
    settings: ServiceSettings,
    *,
    openings: Mapping[str, Rule] = MappingProxyType({}),
    operations: Sequence[Operation] = (),
    business: Business | None = None,
    guarded: Guarded | None = None,
    reserved: Reserved = MappingProxyType({}),
    differs: Differs = MappingProxyType({}),
    advice: Mapping[str, Advice] = MappingProxyType({}),
    timers: OnTimer | None = None,
    listens: tuple[Topic, Hears] | None = None,
    works: Sequence[Callable[[Service], Works]] = (),
    **around: Unpack[Around],
) -> FastAPI:
    """`openings` say what opens a basis for a patient, `operations` are the service's own beside those of FHIR.

    `business` decides on what is governed, `guarded` which of it is changed only under If-Match; what is `reserved` is the platform's to write; `differs` tells what changed meanwhile; `advice` says what is odd
    and stored; `timers` what the platform does when one is due; `listens` to what a topic names sets some; `works` go on beside requests.
    """
    database, peers = around.get("database"), around.get("peers")
    own_database = database or Database(settings.database_url, settings.pool_size, role_of(name))
    app = StraightApp(title=f"Yiyang {name}", openapi_url=None, redirect_slashes=False)
    own_peers = peers or Peers({**settings.peers, name: app})
    service = msgspec.structs.replace(
        _service(name, served, settings, own_database, own_peers, around.get("clock") or SystemClock()),
        openings=openings,
        operations=tuple(operations),
        business=business,
        guarded=guarded,
        reserved=reserved,
        differs=differs,
        advice=advice,
    )
    worker = Worker(service) if "Patient" in service.served else None
    app.state.worker = worker
    sealer = _sealer(settings, own_database) if "AuditEvent" in service.served else None
    notifier = Notifier(service, own_peers.bell, _pace(settings)) if "Subscription" in service.served else None
    app.state.notifier = notifier
    clockwork = Clockwork(service, timers) if timers else None
    app.state.clockwork = clockwork
    listener = Listener(service, *listens, clockwork) if listens and clockwork else None
    app.state.listener = listener
    learner = Learner(own_database, service.clock)
    reindexer = Reindexer(service, learner)
    keep_messages = timedelta(days=settings.v2_keep_days) if "Patient" in service.served else None
    sweeper = Sweeper(own_database, service.clock, timedelta(days=service.keep_days), keep_messages)
    working = (worker, sealer, clockwork, listener, reindexer, notifier, sweeper, *(each(service) for each in works))
    app.router.lifespan_context = lambda _: _lifespan(None if database else own_database, *working)
    metrics = _metrics(service, own_database)
    app.state.metrics = metrics
    if listener:
        metrics.add(listener.figures)
    routes = fhir_routes(service, learner, metrics)
    app.router.routes.extend(routes)
    app.go_straight(Paths(((route.path, route.app) for route in routes), _no_such_path), "/fhir", PREPARE)
    _add_operational_routes(app, service, own_database, metrics)
    app.router.default = _no_such_path
    return app


def _service(
    name: str,
    served: Sequence[ServedType],
    settings: ServiceSettings,
    database: Database,
    peers: Peers,
    clock: Clock,
) -> Service:
    key = settings.internal_key.get_secret_value().encode()
    owned = frozenset(s.type for s in served)
    reads, writes, links = ReadsTogether(database), WritesTogether(database), link_keys(key)
    searches = SearchesTogether(database, settings.search_seconds)
    stores = Stores(
        database,
        owned,
        AuditLog(database),
        clock,
        links,
        reads,
        searches,
        writes,
        vault=vault_of(settings),
        bell=peers.bell,
    )
    return Service(
        name=name,
        served={s.type: s for s in served},
        stores=stores,
        peers=peers,
        base=settings.public_base.rstrip("/"),
        zone=ZoneInfo(settings.time_zone),
        internal_key=key,
        clock=clock,
        max_entries=settings.max_entries,
        search_seconds=settings.search_seconds,
        grace=timedelta(days=settings.grace_days),
        clearances=settings.clearances,
        keep_days=settings.idempotency_days,
        keep_files=timedelta(hours=settings.keep_hours),
        outbound=Outbound(settings.outbound_networks),
    )


def _pace(settings: ServiceSettings) -> Pace:
    return Pace(
        give_up=timedelta(hours=settings.notification_hours), keep=timedelta(days=settings.notification_keep_days)
    )


def _sealer(settings: ServiceSettings, database: Database) -> Sealer:
    return Sealer(database, sealing(settings.audit_secret, settings.audit_hash), SystemClock())


@asynccontextmanager
async def _lifespan(database: Database | None, *workers: Works | None) -> AsyncIterator[None]:
    """Beside their requests the owner of Patient works on bulk jobs too, of AuditEvent on the chain, of Subscription on notifications, each on its timers and the index of its types."""
    working = [asyncio.create_task(each.forever()) for each in workers if each]
    yield
    for task in working:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if database is not None:
        await database.close()


def _metrics(service: Service, database: Database) -> Metrics:
    """What stands in the tables is told by one service, the owner of Subscription."""
    metrics = Metrics(service.name)
    metrics.add(pool_of(database))
    if "Subscription" in service.served:
        metrics.add(backlog_of(database))
    return metrics


def _add_operational_routes(app: FastAPI, service: Service, database: Database, metrics: Metrics) -> None:
    listed = msgspec.json.encode([_announced(each, service) for each in service.served.values()])

    @app.get(SERVED, include_in_schema=False)
    async def served_types() -> Response:
        return Response(listed, media_type="application/json")

    @app.get(OPENAPI, include_in_schema=False)
    async def described() -> Response:
        return Response(msgspec.json.encode(describe(service)), media_type="application/json")

    @app.get(PATH, include_in_schema=False)
    async def measured() -> Response:
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/livez", include_in_schema=False)
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/readyz", include_in_schema=False)
    async def ready(response: Response) -> dict[str, bool]:
        is_ready = await database.is_ready()
        response.status_code = 200 if is_ready else 503
        return {"ready": is_ready}


def _announced(served: ServedType, service: Service) -> ServedType:
    """With the service's own operations, so that any other can tell of them."""
    own = (o for o in service.operations if o.is_for(served.type, "type") or o.is_for(served.type, "instance"))
    return msgspec.structs.replace(served, operations=tuple(Named(o.name, o.definition) for o in own))


async def _no_such_path(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = operation_outcome(not_found("No such path", text="没有这个地址").issues)
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
