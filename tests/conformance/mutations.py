"""Requests that nobody means well: resources, URLs and headers bent at random."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

from services.fhir.definitions import search_parameters
from tests.conformance.served import SERVED
from tests.filled import filled
from tests.minimal import json_of
from tests.shelf import Json

_ASCII: Final = "".join(
    map(chr, range(0x21, 0x7F))
)  # other signs are encoded on their way, at the latest by the gateway
TYPES: Final = st.sampled_from([served.type for served in SERVED])
DATES: Final = (
    "0001-01-01",
    "9999-12-31",
    "2024-02-30",
    "0000",
    "10000-01-01",
    "2024-13",
    "-2024",
    "2024-05-01T24:00:00Z",
    "2024-05-01T00:00:60%2B14:00",
)
NUMBERS: Final = (
    "1e308",
    "-1e-308",
    "1e999",
    "1e1000",
    "9" * 128,
    "9" * 400,
    "NaN",
    "-0",
    "0x1",
    "1e",
    ".5",
    "+1",
    "1_0",
    "١",
)
SIGNS: Final = (
    "%00",
    "%",
    "%zz",
    "%FF%FE",
    "%ED%A0%80",
    "%F0%9F%91%B5",
    "%27%3B--",
    "'",
    "\\",
    "\\,",
    "\\\\",
    "||",
    "|",
    ",",
    ",,",
    "$",
    "*",
    ":*",
    "(",
    "%25",
    "_",
    "%5B%5D",
    "a" * 3000,
    "%E7%8E%8B",
    "+",
    "%20",
    "=",
    ":",
    "/",
    "..",
    "#",
    "~",
    "{}",
    "%0A",
    "%7F",
)
NAMES: Final = (
    "_id",
    "_lastUpdated",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_cursor",
    "_tag",
    "_elements",
    "_format",
    "_pretty",
    "nonsense",
    "",
    "_",
    ":",
    "name:",
    "a.b",
    "_has:x",
    "_has:Observation:patient:code",
    "_has:Observation:patient:_has:AuditEvent:entity:date",
    "_has:",
    "subject.name",
    "subject:Patient.organization.name",
    "patient._has:Group:member:_id",
    "_filter",
    "_list",
    "_text",
    "_content",
    "_type",
    "_contained",
    "near",
    "code-value-quantity",
)
MODIFIERS: Final = (
    "",
    ":missing",
    ":exact",
    ":contains",
    ":not",
    ":identifier",
    ":Patient",
    ":nonsense",
    ":below",
    ":text",
    ":in",
    ":",
    ".name",
)
PREFIXES: Final = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap", "xx")
CONTROLS: Final = (
    "0",
    "-1",
    "1",
    "1000000000000",
    "count",
    "accurate",
    "name",
    "-name",
    "-_id",
    "Observation:subject",
    "*",
    "true",
    "name%20eq%20%22a%22",
    "birthdate%20gt%202024%20or%20(not%20name%20co%20x",
    "(((((",
    "-83.6|42.2|11.2|km",
    "91|181||",
    "8867-4$gt5|http://unitsofmeasure.org|/min",
    "1|http://unitsofmeasure.org|10*400.m/[degF]",
    "word%20AND%20NOT%20(%22x",
    "Patient,Observation,Nonsense",
)

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "Patient/1", "2024", "x" * 5000, "<div/>", "#", "http://[", "\u0000"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["extension", "url", "reference", "coding", "value", "id", "resourceType", "x"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@cache
def _whole(resource_type: str) -> list[Json]:
    plain: list[Json] = json.loads(json_of(filled(resource_type)))
    return plain


@st.composite
def bent_resources(draw: st.DrawFn) -> tuple[str, bytes]:
    """A resource of some type with a few places changed, and sometimes a few of its bytes."""
    resource_type = draw(TYPES)
    resource = deepcopy(draw(st.sampled_from(_whole(resource_type))))
    for _ in range(draw(st.integers(0, 3))):
        _bend(draw, resource)
    body = bytearray(json.dumps(resource, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return resource_type, bytes(body)


def _bend(draw: st.DrawFn, resource: Json) -> None:
    holder, key = draw(st.sampled_from([*_places(resource), (resource, "added")]))
    match draw(st.sampled_from(["replace", "replace", "remove", "repeat", "wrap", "add"])):
        case "replace":
            holder[key] = draw(JSON)
        case "remove" if key in _keys(holder):
            del holder[key]
        case "repeat" if key in _keys(holder):
            holder[key] = [holder[key]] * draw(st.integers(2, 50))
        case "wrap" if key in _keys(holder):
            holder[key] = {key if isinstance(key, str) else "x": holder[key]}
        case _ if isinstance(holder, dict):
            holder[draw(st.text(max_size=5)) or f"_{key}"] = draw(JSON)


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


@st.composite
def bent_queries(draw: st.DrawFn) -> tuple[str, str]:
    """Some type and a query of parameters that it has or has not, with values that it may not have."""
    resource_type = draw(TYPES)
    names = st.sampled_from([*search_parameters(resource_type), *NAMES])
    value = st.builds(
        "".join, st.tuples(st.sampled_from(PREFIXES), st.sampled_from((*DATES, *NUMBERS, *SIGNS, *CONTROLS)))
    )
    values = st.lists(value, min_size=1, max_size=4).map(
        lambda each: draw(st.sampled_from(["", ",", "|", "$"])).join(each)
    )
    parameter = st.builds(
        "{}{}{}{}".format, names, st.sampled_from(MODIFIERS), st.sampled_from(["=", "=", "=", ""]), values
    )
    parameters = draw(st.lists(parameter, max_size=4))
    query = "&".join([*parameters, *parameters[: draw(st.integers(0, 1))]])
    return resource_type, quote(query, safe=_ASCII)


FIELDS: Final = st.dictionaries(
    st.sampled_from(["accept", "content_type", "prefer", "if_match", "if_none_match", "if_modified_since", "if_none_exist", "x_forwarded_host", "content_encoding"]),
    st.sampled_from(["", "*", '"1"', 'W/"1"', 'W/"', "W/1,2", "application/fhir+json", "application/fhir+xml", "text/html;q=x", "*/*;q=0", "return=minimal", "return=", "handling=strict", "respond-async", "Thu, 99 Nov 2024", "a" * 5000, "é", "王", ";", ",", "=", "name=%00", "name=x", "_id=1", "?", "charset"]),
    max_size=3,
)  # fmt: skip
