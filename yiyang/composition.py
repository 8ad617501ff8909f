"""Puts the house together: gateway and services in one process, or one deployable alone (docs/architecture.md, section 2)."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI

import gateway.app
import services.care.app
import services.records.app
import services.referral.app
from gateway.settings import GatewaySettings
from services.kit.database import Database, role_of
from services.kit.logging import configure
from services.kit.peers import AsgiApp, Peers
from services.kit.settings import ServiceSettings
from yiyang.process import die_with_parent

SERVICE: Final = "YIYANG_SERVICE"  # which deployable a process is
SUPERVISOR: Final = "YIYANG_SUPERVISOR"  # the pid of `yiyang up`, for its workers to die with it
GATEWAY: Final = "gateway"
GARBAGE: Final = (50_000, 20, 50)
"""How many more objects before the young, how many such before the middle-aged, how many of those before all are looked through."""
SERVICES: Final[Mapping[str, Callable[..., FastAPI]]] = {
    "records": services.records.app.create_app,
    "referral": services.referral.app.create_app,
    "care": services.care.app.create_app,
}


def app() -> AsgiApp:
    """The whole house, in one worker of `yiyang up`."""
    if supervisor := os.environ.get(SUPERVISOR):
        die_with_parent(int(supervisor), signal.SIGKILL)
    settings = ServiceSettings()
    configure(settings.log_level)
    return settled(house(settings, GatewaySettings()))


def deployable() -> AsgiApp:
    """One service, or the gateway, as a container runs it."""
    name = os.environ[SERVICE]
    configure(ServiceSettings().log_level)
    return settled(gateway.app.create_app(GatewaySettings()) if name == GATEWAY else SERVICES[name](ServiceSettings()))


def settled(app: FastAPI) -> FastAPI:
    """Once it has begun, what the process was built of is not looked through for garbage any more, nor so often what a request leaves.

    Terminologies, definitions and compiled searches are hundreds of thousands of objects that live as long as the process: each full collection walked
    all of them, a quarter of the time of a write (benchmarks/README.md).
    """
    begin = app.router.lifespan_context

    @asynccontextmanager
    async def living(it: FastAPI) -> AsyncIterator[Any]:
        async with begin(it) as state:
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GARBAGE)
            yield state

    app.router.lifespan_context = living
    return app


def house(settings: ServiceSettings, gateway_settings: GatewaySettings) -> FastAPI:
    """Gateway and services over one database, each under its own role; a hop between them is a function call."""
    databases = {
        name: Database(settings.database_url, size, role_of(name)) for name, size in _pools(settings.pool_size)
    }
    apps: dict[str, FastAPI] = {}
    peers = Peers({name: later(apps, name) for name in SERVICES})
    for name, create_app in SERVICES.items():
        apps[name] = create_app(settings, database=databases[name], peers=peers)
    front = gateway.app.create_app(gateway_settings, peers=peers, database=databases[GATEWAY])
    services = [app.router.lifespan_context(app) for app in apps.values()]
    front.router.lifespan_context = _living(databases.values(), services, front.router.lifespan_context)
    return front


def _pools(size: int) -> Iterable[tuple[str, int]]:
    """Connections of one process: most of the types are of records, and so most of the requests."""
    return ((name, size if name == "records" else max(1, size // 4)) for name in (*SERVICES, GATEWAY))


def later(apps: Mapping[str, AsgiApp], name: str) -> AsgiApp:
    """A peer that is made only after the others know of it."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await apps[name](scope, receive, send)

    return call


def _living(
    databases: Iterable[Database], services: Iterable[AbstractAsyncContextManager[Any]], lifespan: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """The services live as long as the front does; their databases are closed behind them all."""

    @asynccontextmanager
    async def living(front: FastAPI) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            for database in databases:
                stack.push_async_callback(database.close)
            for service in services:
                await stack.enter_async_context(service)
            yield await stack.enter_async_context(lifespan(front))

    return living
