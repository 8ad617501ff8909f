"""Every route of the OpenAPI document, through the gateway: no failure of the server, and each of the client's is told clearly.

http://hl7.org/fhir/R4/http.html#Status-Codes. YIYANG_SOAK=20 draws anew, 150 times as often.
"""

import os
import random
import re
import time
from itertools import groupby
from typing import Final
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.peers import PeerAnswer
from tests.fuzz.conftest import Door
from tests.fuzz.requests import SEGMENTS, TYPES, WORDS, Request, operations, requests
from tests.house import Json

SOAK: Final = int(os.environ.get("YIYANG_SOAK", "0"))
Route = tuple[str, str, tuple[str, ...]]


class Routes(dict[str, list[Route]]):
    """(path, method, parameters of its query) by shape, the resource type left out, so that rare routes are drawn as often as common ones."""

    def __repr__(self) -> str:
        return f"{len(self)} shapes"  # hypothesis tells it for each failure


bounded = settings(
    max_examples=150 * SOAK or 400,
    deadline=None,
    derandomize=not SOAK,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_clear(request: Request, answer: PeerAnswer) -> None:
    """Outside of FHIR a token endpoint speaks as https://www.rfc-editor.org/rfc/rfc6749#section-5.2 says, and a page to a person."""
    said = f"{request.method} {request.target[:300]} {request.headers} {request.body[:300]!r} → {answer.status}"
    assert answer.status < 500, f"{said} {answer.body[:2000]!r}"
    if answer.status < 400 or request.method == "HEAD":
        return
    kind = dict(answer.headers)[b"content-type"]
    if b"html" in kind and not request.target.startswith("/fhir"):
        return
    told = msgspec.json.decode(answer.body)
    is_outcome = told.get("resourceType") == "OperationOutcome" and told["issue"][0]["diagnostics"]
    is_oauth = "error" in told and not request.target.startswith("/fhir")
    assert is_outcome or is_oauth, f"{said} {answer.body[:2000]!r}"


@pytest.fixture
def routes(door: Door) -> Routes:
    found = [(path, method, _parameters(door.document, path, method)) for path, method in operations(door.document)]
    types = {tag["name"] for tag in door.document["tags"]}
    shaped = sorted((_shape(path, method, types), (path, method, names)) for path, method, names in found)
    return Routes((shape, [route for _, route in group]) for shape, group in groupby(shaped, key=lambda pair: pair[0]))


async def test_every_route_refuses_nonsense(door: Door, routes: Routes) -> None:
    """Each route of each type once, with what is nearly right and with what is not."""
    for path, method, parameters in (route for several in routes.values() for route in several):
        request = _nonsense(path, method, parameters)
        assert_clear(request, await door.ask(request))


@bounded
@given(data=st.data())
async def test_any_request_is_answered_or_refused(door: Door, routes: Routes, data: st.DataObject) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-15"""
    several = routes[data.draw(st.sampled_from(sorted(routes)))]
    request = data.draw(requests(*data.draw(st.sampled_from(several))))
    assert_clear(request, await door.ask(request))


async def test_a_nul_in_a_path_is_remembered_like_any_other_refusal(door: Door) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#status.403"""
    request = Request("POST", "/admin/clients/%00/disable", {}, b"", is_known=True)
    assert (await door.ask(request)).status == 403


def _nonsense(path: str, method: str, parameters: tuple[str, ...]) -> Request:
    chance = random.Random(f"{method} {path} {time.time_ns() if SOAK else ''}")  # noqa: S311 - not a secret
    target = re.sub(r"\{\w+\}", lambda _: chance.choice(SEGMENTS), path)
    query = (
        f"?{chance.choice(parameters)}={quote(chance.choice(WORDS))}" if parameters and chance.random() < 0.7 else ""
    )
    headers = {"content-type": chance.choice(TYPES)} if method in ("POST", "PUT", "PATCH") else {}
    body = chance.choice((b"", b"{}", b"[]", b'{"resourceType":"Patient"}', b"a=b", b"\xff")) if headers else b""
    return Request(method, target + query, headers, body, chance.random() < 0.95)


def _shape(path: str, method: str, types: set[str]) -> str:
    return f"{method} " + "/".join("{type}" if segment in types else segment for segment in path.split("/"))


def _parameters(document: Json, path: str, method: str) -> tuple[str, ...]:
    listed = document["paths"][path][method.lower()].get("parameters", ())
    known = document.get("components", {}).get("parameters", {})
    whole = (known.get(each["$ref"].rpartition("/")[2], {}) if "$ref" in each else each for each in listed)
    return tuple(each["name"] for each in whole if each.get("in") == "query")
