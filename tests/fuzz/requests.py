"""Requests for a route of an OpenAPI document that its author would not think of: https://spec.openapis.org/oas/v3.1.0"""

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec
from hypothesis import strategies as st

from tests.conformance.mutations import FIELDS, JSON, bent_queries, bent_resources
from tests.house import FHIR_JSON, Json

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
TYPES: Final = (
    FHIR_JSON,
    FHIR_JSON,
    FHIR_JSON,
    "application/json",
    "application/json-patch+json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "",
)
SEGMENTS: Final = ("1", "bent", "99999999999999999999", "$", "_search", "%00", "%2e%2e", "%E7%8E%8B", "%FF", "a" * 65, "-", "%2F", "0")  # fmt: skip
WORDS: Final = ("", "client_credentials", "authorization_code", "refresh_token", "a.b.c", "https://[::1", "\x00", "王", "x" * 5000, "system/*.cruds")  # fmt: skip
FORM: Final = ("grant_type", "scope", "client_assertion", "client_assertion_type", "code", "token", "redirect_uri", "code_verifier", "client_id", "state", "username", "password")  # fmt: skip
PATCHES: Final = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"])},
        optional={"path": st.sampled_from(["", "/", "/id", "/name/-", "/name/99999999999", "name", "/~2"]), "from": st.just("/id"), "value": JSON},
    ),
    max_size=3,
)  # fmt: skip


class Request(msgspec.Struct, frozen=True):
    """`is_known`: with the token of a client; `target` is path and query, percent-encoded."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    is_known: bool


def operations(document: Json) -> list[tuple[str, str]]:
    """(path, method) of every operation that the document lists."""
    return [(path, method.upper()) for path, methods in document["paths"].items() for method in methods]


@st.composite
def requests(draw: st.DrawFn, path: str, method: str, parameters: tuple[str, ...] = ()) -> Request:
    """A request to a route with all of it drawn: ids, query, headers, body; sometimes by another method, or by nobody."""
    target = re.sub(r"\{\w+\}", lambda _: draw(st.sampled_from(SEGMENTS)), path)
    query = draw(st.one_of(st.just(""), _queries(parameters), bent_queries().map(lambda bent: bent[1])))
    chosen = draw(st.sampled_from((method, method, method, method, method, method, *METHODS)))
    headers = {name.replace("_", "-"): value for name, value in draw(FIELDS).items()}
    body = b""
    if chosen in ("POST", "PUT", "PATCH"):
        headers.setdefault("content-type", draw(st.sampled_from(TYPES)))
        body = draw(_bodies())
    is_known = draw(st.sampled_from((True,) * 9 + (False,)))
    return Request(chosen, target + (f"?{query}" if query else ""), headers, body, is_known)


def _queries(parameters: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Parameters that the route has, with words that they may not take."""
    if not parameters:
        return st.just("")
    pair = st.builds("{}={}".format, st.sampled_from(parameters), st.sampled_from(WORDS).map(quote))
    return st.lists(pair, min_size=1, max_size=3).map("&".join)


def _bodies() -> st.SearchStrategy[bytes]:
    form = st.dictionaries(st.sampled_from(FORM), st.sampled_from(WORDS).map(quote), max_size=5)
    return st.one_of(
        bent_resources().map(lambda bent: bent[1]),
        JSON.map(_encoded),
        PATCHES.map(_encoded),
        form.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs.items()).encode()),
        st.binary(max_size=40),
    )


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str) if not isinstance(value, int) else str(value).encode()
