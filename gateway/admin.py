"""The admin API: who may ask for tokens, changed by an administrator instead of the command line; each act is remembered.

With `admin/organization` it is the clients of the own organization, with `admin/platform` those of all; no other client exists here.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.authenticate import Authenticate
from gateway.errors import answer_to, as_response
from gateway.keys import Jwk
from gateway.limits import read_body
from gateway.rates import RateLimit
from gateway.registry import Client, Clients, Options
from gateway.remember import Remember, caller_of
from gateway.request_id import request_id_of
from gateway.scopes import ADMIN_ORGANIZATION, ADMIN_PLATFORM, OPS_METRICS, read_scopes
from gateway.session import Session
from services.fhir.outcomes import bad_request, forbidden, not_found, unprocessable

MAX_BYTES = 200_000
_ADMIN = frozenset({ADMIN_ORGANIZATION, ADMIN_PLATFORM})
_GIVEN = _ADMIN | {OPS_METRICS}  # only by who has them

Document = dict[str, Any] | list[dict[str, Any]]


class NewClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is posted; `organization` is that of the administrator where it is left out."""

    client_id: str
    scopes: str
    organization: str | None = None
    jwks: Jwk | None = None
    jwks_uri: str | None = None
    redirect_uris: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ("TREAT",)
    rate: int | None = None


class Act(msgspec.Struct, frozen=True):
    """One request of an administrator."""

    session: Session
    client_id: str
    body: bytes

    @property
    def organization(self) -> str | None:
        """The one whose clients may be seen; None for all."""
        return None if ADMIN_PLATFORM in self.session.rights else self.session.organization


class AdminClients:
    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def list(self, act: Act) -> tuple[int, Document]:
        return HTTPStatus.OK, [_document(client) for client in await self._clients.list(act.organization)]

    async def get(self, act: Act) -> tuple[int, Document]:
        return HTTPStatus.OK, _document(await self._known(act))

    async def add(self, act: Act) -> tuple[int, Document]:
        new = _read(act.body)
        organization = new.organization or act.session.organization
        options = Options(jwks_uri=new.jwks_uri, redirect_uris=new.redirect_uris, purposes=new.purposes, rate=new.rate)
        if act.organization not in (None, organization):
            raise forbidden("An administrator registers clients of the own organization", text="只能登记本机构的系统")
        try:
            if not act.session.rights.issuperset(_GIVEN.intersection(read_scopes(new.scopes).rights)):
                raise forbidden("Nobody gives a right away that they do not have", text="不能授予自己没有的管理权限")
            client = await self._clients.add(new.client_id, organization, new.scopes, new.jwks, options)
        except ValueError as error:
            raise unprocessable(str(error), text="登记内容有误") from error
        return HTTPStatus.CREATED, _document(client)

    async def disable(self, act: Act) -> tuple[int, Document]:
        await self._clients.disable((await self._known(act)).client_id)
        return await self.get(act)

    async def enable(self, act: Act) -> tuple[int, Document]:
        await self._clients.enable((await self._known(act)).client_id)
        return await self.get(act)

    async def _known(self, act: Act) -> Client:
        client = await self._clients.get(act.client_id)
        if client is None or act.organization not in (None, client.organization):
            raise not_found("No such client", text="没有这个系统")
        return client


Handler = Callable[[Act], Awaitable[tuple[int, Document]]]


def routes(admin: AdminClients, authenticate: Authenticate, rate_limit: RateLimit, remember: Remember) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["admin"])
    one = "/clients/{client_id}"
    for method, path, name, handler in (
        ("GET", "/clients", "client-list", admin.list),
        ("POST", "/clients", "client-add", admin.add),
        ("GET", one, "client-get", admin.get),
        ("POST", f"{one}/disable", "client-disable", admin.disable),
        ("POST", f"{one}/enable", "client-enable", admin.enable),
    ):
        route = _Route(name, handler, authenticate, rate_limit, remember)
        router.add_api_route(path, route.answer, methods=[method], summary=name, response_class=Response)
    return router


class _Route:
    """Who asks, may they, and the row that remembers it, around one handler."""

    def __init__(
        self, name: str, handler: Handler, authenticate: Authenticate, rate_limit: RateLimit, remember: Remember
    ) -> None:
        self._name = name
        self._handler = handler
        self._authenticate = authenticate
        self._rate_limit = rate_limit
        self._remember = remember

    async def answer(self, request: Request) -> Response:
        request_id = request_id_of(request.scope["headers"])
        way = _Way(request.path_params.get("client_id"))
        try:
            response = await self._act(request, way)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an outcome
            response = as_response(answer_to(error, request_id))
        caller = caller_of(way.session, request_id)
        try:
            await self._remember(caller, self._name, response.status_code, about=way.about)
        except Exception as error:  # noqa: BLE001 - an act that cannot be remembered is not answered
            return as_response(answer_to(error, request_id))
        return response

    async def _act(self, request: Request, way: "_Way") -> Response:
        session = way.session = await self._authenticate(request.scope["headers"], request.scope["query_string"])
        await self._rate_limit.check_session(session)
        if not _ADMIN.intersection(session.rights):
            needed = f'Bearer realm="yiyang", error="insufficient_scope", scope="{ADMIN_ORGANIZATION}"'
            raise forbidden(f"The scope {ADMIN_ORGANIZATION} is needed", headers={"WWW-Authenticate": needed})
        body = await read_body(request.scope, request.receive, MAX_BYTES)
        status, document = await self._handler(Act(session, way.about or "", body))
        if isinstance(document, dict):
            way.about = document["client_id"]
        return Response(msgspec.json.encode(document), status, media_type="application/json")


class _Way(msgspec.Struct):
    """How far a request has come; `about` is the id of its client."""

    about: str | None
    session: Session | None = None


def _read(body: bytes) -> NewClient:
    try:
        return msgspec.json.decode(body, type=NewClient)
    except msgspec.DecodeError as error:
        raise bad_request(f"Not a client as JSON: {error}", text="请求内容有误") from error


def _document(client: Client) -> dict[str, Any]:
    document = msgspec.to_builtins(client)
    document["active"] = not document.pop("is_disabled")
    return {name: value for name, value in document.items() if value is not None}
