"""The gateway as an app: FHIR below /fhir on the raw doors, tokens, keys, discovery and health as FastAPI routes.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway import openapi
from gateway.browser_headers import BrowserHeaders
from gateway.discovery import smart_configuration
from gateway.errors import answer_to, as_response
from gateway.health import readiness
from gateway.measure import Measure
from gateway.parts import Parts
from gateway.settings import FHIR_PATH, GatewaySettings
from gateway.v2_door import PATH as V2_PATH
from gateway.v2_door import V2Door
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database, DatabaseUnavailable, role_of
from services.kit.ids import uuid7
from services.kit.metrics import PATH, Measured, Metrics, pool_of
from services.kit.peers import Peers
from services.kit.straight import StraightApp

WELL_KNOWN = ("/.well-known/smart-configuration", "/.well-known/openid-configuration")
KEYS_SECONDS = 300  # a key is published for longer than this before it signs
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # spans would carry whole URLs


def create_app(
    settings: GatewaySettings, peers: Peers | None = None, database: Database | None = None, clock: Clock | None = None
) -> FastAPI:
    """Put the gateway together. What is passed in is shared and stays open; what is not is made here and closed here."""
    own_peers = peers or Peers(settings.peers, settings.peer_timeout_seconds)
    own_database = database or Database(settings.database_url, settings.pool_size, role_of("gateway"))

    parts = Parts(settings, own_peers, own_database, clock or SystemClock())
    metrics = Metrics("gateway")
    metrics.add(pool_of(own_database))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await parts.close()
        if peers is None:
            await own_peers.close()
        if database is None:
            await own_database.close()

    app = StraightApp(title="Yiyang gateway", lifespan=lifespan, openapi_url=None, telemetry=_NO_TELEMETRY)
    _add_fhir_and_auth(app, settings, parts)
    _add_health(app, own_database, own_peers)
    measure = Measure(metrics, own_peers, parts.authenticate, parts.rate_limit, parts.remember)
    app.add_api_route(PATH, measure.answer, response_class=Response)
    app.state.metrics = metrics
    app.router.routes += openapi.routes(app, own_peers)
    app.add_middleware(BrowserHeaders, settings=settings)
    app.add_middleware(Measured, metrics=metrics)
    doors = Measured(BrowserHeaders(parts.doors, settings), metrics)
    app.router.routes.append(Route(V2_PATH, V2Door(parts.doors)))
    app.go_straight(doors, FHIR_PATH, besides=frozenset({FHIR_PATH + WELL_KNOWN[0]}))
    for kind in (HTTPException, DatabaseUnavailable, Exception):
        app.add_exception_handler(kind, _outcome)
    return app


def _add_fhir_and_auth(app: FastAPI, settings: GatewaySettings, parts: Parts) -> None:
    configuration = msgspec.json.encode(smart_configuration(settings))

    async def discover(_request: Request) -> Response:
        return Response(configuration, media_type="application/json")

    async def public_keys() -> Response:
        headers = {"cache-control": f"public, max-age={KEYS_SECONDS}"}
        return Response(msgspec.json.encode(await parts.keys.public_set()), 200, headers, "application/json")

    for path in WELL_KNOWN:
        app.add_api_route(path, discover, response_class=Response)
    app.add_api_route("/auth/jwks", public_keys, response_class=Response)
    app.include_router(parts.token_routes())
    if settings.provider is None:
        app.include_router(parts.login_routes())
    app.include_router(parts.admin_routes())
    app.router.routes.append(Route(FHIR_PATH + WELL_KNOWN[0], discover))


def _add_health(app: FastAPI, database: Database, peers: Peers) -> None:
    async def live() -> dict[str, bool]:
        return {"live": True}

    async def ready(response: Response) -> dict[str, bool]:
        answers = await readiness(database, peers)
        response.status_code = 200 if all(answers.values()) else 503
        return answers

    app.add_api_route("/livez", live)
    app.add_api_route("/readyz", ready)


async def _outcome(_request: Request, error: Exception) -> Response:
    """Outside of the doors too, a failure is an OperationOutcome."""
    return as_response(answer_to(error, uuid7()))
