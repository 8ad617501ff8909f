"""`/openapi.json` and `/docs`: every route of the house, FHIR's as its services describe them; nothing comes from elsewhere.

https://spec.openapis.org/oas/v3.1.0
"""

import asyncio
import base64
import hashlib
import re
import time
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Route

from gateway.errors import answer_to, as_response
from services.kit.ids import uuid7
from services.kit.peers import Peers, PeerUnavailable

TITLE: Final = "医养 Yiyang"
DESCRIPTION: Final = (
    "医养结合 FHIR R4 数据共享平台 · FHIR R4 data sharing for integrated elderly health and care. "
    "FHIR: `/fhir`, tokens: `/auth`."
)
PARTS: Final = "/internal/openapi"
# The page's assets come from here, what it tries out goes here; its one inline script is named by its hash.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'sha256-{script}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
FRESH_SECONDS: Final = 60.0  # one document for all who ask within
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_FOLD: Final = {"docExpansion": "none", "filter": True, "deepLinking": True, "defaultModelsExpandDepth": -1}


def routes(app: FastAPI, peers: Peers) -> list[Route]:
    """To be put into the app behind its other routes."""
    return [Route("/openapi.json", Document(app, peers).answer), Route("/docs", page), Route("/docs/{asset}", asset)]


class Document:
    """Made when somebody asks for it, and kept for a minute: it is open to all and costs a quarter of a second."""

    def __init__(self, app: FastAPI, peers: Peers) -> None:
        self._app = app
        self._peers = peers
        self._made_at = -FRESH_SECONDS
        self._text = b""
        self._making = asyncio.Lock()

    async def answer(self, _request: Request) -> Response:
        try:
            return Response(await self._fresh(), media_type="application/json")
        except PeerUnavailable as error:
            return as_response(answer_to(error, uuid7()))

    async def _fresh(self) -> bytes:
        async with self._making:
            if time.monotonic() - self._made_at >= FRESH_SECONDS:
                self._text = msgspec.json.encode(await whole(self._app, self._peers))
                self._made_at = time.monotonic()
            return self._text


async def page(_request: Request) -> Response:
    html = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=TITLE,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
        swagger_ui_parameters=_FOLD,
    )
    script = bytes(html.body).partition(b"<script>")[2].partition(b"</script>")[0]
    named = base64.b64encode(hashlib.sha256(script).digest()).decode()
    html.headers["content-security-policy"] = POLICY.format(script=named)
    return html


async def whole(app: FastAPI, peers: Peers) -> dict[str, Any]:
    """The gateway's own routes, and the part of each service."""
    found: dict[str, Any] = get_openapi(title=TITLE, version="4.0.1", description=DESCRIPTION, routes=app.routes)
    for path, methods in found["paths"].items():
        for operation in methods.values():
            _complete(path, operation)
    tags: dict[str, Any] = {}
    for part in await asyncio.gather(*(_part(service, peers) for service in peers.services)):
        found["paths"] |= part["paths"]
        tags |= {tag["name"]: tag for tag in part["tags"]}
        for kind, named in part["components"].items():
            found.setdefault("components", {}).setdefault(kind, {}).update(named)
    return found | {"tags": sorted(tags.values(), key=_tag_order), "security": [{"smart": []}]}


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Routes outside of FHIR read their own parameters; they are the way to a token, or look for theirs themselves."""
    known = {parameter["name"] for parameter in operation.get("parameters", ())}
    missing = [name for name in re.findall(r"\{(\w+)\}", path) if name not in known]
    if missing:
        shape = {"in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [*operation.get("parameters", ()), *({"name": name, **shape} for name in missing)]
    operation.setdefault("security", [])


async def _part(service: str, peers: Peers) -> dict[str, Any]:
    answer = await peers.call(service, "GET", PARTS, [], b"")
    if answer.status != 200:  # noqa: PLR2004
        raise PeerUnavailable(service)
    part: dict[str, Any] = msgspec.json.decode(answer.body)
    return part


def _tag_order(tag: dict[str, Any]) -> tuple[bool, str]:
    """What is about the whole system first, then the types by name."""
    return tag["name"].isascii(), tag["name"]


async def asset(request: Request) -> Response:
    name = request.path_params["asset"]
    if name not in _ASSETS:
        raise HTTPException(404)
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"cache-control": "public, max-age=86400"})
