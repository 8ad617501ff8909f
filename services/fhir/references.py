"""Literal references, and the links of a transaction: http://hl7.org/fhir/R4/references.html#literal"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from services.fhir.definitions import resource_types, type_definition

Json = dict[str, Any]

_LINKS = frozenset({"reference", "uri", "url", "oid", "uuid"})
_NARRATIVE = re.compile(r"""<(?:a|img)\b[^<>]*?\b(?:href|src)\s*=\s*(["'])([^<]*?)\1""")  # no tag is read twice
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|u[0-9a-fA-F]{4}|.)")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(\S+)")
_PREFIX = 4  # enough of a fullUrl to pass over nearly every other string


def relative(reference: str, base: str) -> str:
    """Give `Type/id` for a resource of this server (`base` ends with "/" or is empty); the version is left out.

    What another server or another scheme names stays as it is.
    """
    if base and reference.startswith(base):
        reference = reference[len(base) :]
    return reference.partition("/_history/")[0] if "/_history/" in reference else reference


def conditional(reference: str, base: str) -> tuple[str, str] | None:
    """Give (type, criteria) of `Type?criteria`, also below the own `base`, which has no "/" at its end; None for anything else."""
    found = _CONDITIONAL.fullmatch(reference.removeprefix(f"{base}/"))
    return (found[1], found[2]) if found else None


def literal_references(resource: Json) -> Iterator[str]:
    """Give every Reference.reference in document order, those of contained resources and extensions too."""
    strings: list[tuple[str, str]] = []
    _collect(resource, _resource_type(resource), ("",), strings)
    return (text for text, kind in strings if kind == "reference")


def rewrite(raw: bytes, resource: Json, mapping: Mapping[str, str]) -> bytes:
    return rewriter(mapping)(raw, resource)


def rewriter(mapping: Mapping[str, str]) -> Callable[[bytes, Json], bytes]:
    """Give a function (JSON text, the same parsed) → the text with the links of a transaction replaced.

    `mapping` goes from fullUrl to `Type/id`. Replaced are references, uri, url, oid and uuid elements and the links of
    narratives, a fragment stays and a version goes; canonicals and all other text keep every byte
    (http://hl7.org/fhir/R4/http.html#trules).
    """
    prefixes = tuple(sorted({full_url[:_PREFIX] for full_url in mapping}))
    starts, scanner = (*prefixes, "<"), _scanner(prefixes)

    def target(link: str) -> str | None:
        url, sign, fragment = link.partition("#")
        found = mapping.get(url) or mapping.get(url.partition("/_history/")[0])
        return found and found + sign + fragment

    def rewritten(raw: bytes, resource: Json) -> bytes:
        places = _tokens(raw, scanner, starts)
        if not places or not mapping:
            return raw
        strings: list[tuple[str, str]] = []
        _collect(resource, _resource_type(resource), starts, strings)
        pieces: list[bytes] = []
        end = 0
        for (start, stop, text), (same, kind) in zip(places, strings, strict=True):
            if text != same:
                raise ValueError("the JSON text and the parsed resource differ")
            if replacement := _replacement(raw[start:stop], text, kind, target):
                pieces += (raw[end:start], replacement)
                end = stop
        return b"".join((*pieces, raw[end:]))

    return rewritten


@cache
def _scanner(prefixes: tuple[str, ...]) -> re.Pattern[bytes]:
    """Match the string tokens that begin like a fullUrl or a narrative, and those that may hide it behind an escape.

    Property names are passed over. Where a token ends no text follows, so only a token's first quote can match.
    """
    begins = b"|".join(re.escape(prefix.encode()) for prefix in (*prefixes, "<"))
    rest = rb'[^"\\]*+(?:\\.[^"\\]*+)*+"(?!\s*:)'
    return re.compile(rb'"(?<!\\")(?:(?:' + begins + rb")" + rest + rb'|[^"\\]*+\\.' + rest + rb")", re.DOTALL)


def _tokens(raw: bytes, scanner: re.Pattern[bytes], starts: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Give (start, end, text) of the string values in the JSON text that begin with one of `starts`."""
    tokens = []
    for found in scanner.finditer(raw):
        token = found[0]
        text = str(json.loads(token)) if b"\\" in token else token[1:-1].decode()
        if text.startswith(starts):
            tokens.append((found.start(), found.end(), text))
    return tokens


def _collect(node: Json, type_name: str, starts: tuple[str, ...], strings: list[tuple[str, str]]) -> None:
    """Append (text, FHIR type) of the string values that begin with one of `starts`, in document order."""
    types = _property_types(type_name)
    for name, value in node.items():
        for each in value if type(value) is list else (value,):
            if type(each) is str:
                if each.startswith(starts):
                    strings.append((each, types.get(name, "")))
            elif type(each) is dict:
                kind = types.get(name, "")
                _collect(each, _resource_type(each) if kind == "Resource" else kind, starts, strings)
            elif type(each) is list:  # not FHIR, which is told only later
                _collect({"": each}, "", starts, strings)


def _resource_type(resource: Json) -> str:
    """Give "" for what is no resource, and for a Bundle: it resolves its own links."""
    name = resource.get("resourceType")
    return name if isinstance(name, str) and name in _resource_types() and name != "Bundle" else ""


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


@cache
def _property_types(type_name: str) -> dict[str, str]:
    """Give the type of each JSON property; Reference.reference is a "reference"."""
    if type_name == "Element":
        return {"extension": "Extension"}
    if type_name in ("", "reference", "xhtml"):  # which have no properties, whatever was sent
        return {}
    types: dict[str, str] = {}
    for element in type_definition(type_name).elements.values():
        for type_ in element.types:
            name = element.name + type_[0].upper() + type_[1:] if element.choice else element.name
            types |= {name: type_, f"_{name}": "Element"}
    return types | ({"reference": "reference"} if type_name == "Reference" else {})


def _replacement(token: bytes, text: str, kind: str, target: Callable[[str], str | None]) -> bytes | None:
    if kind == "xhtml":
        return _narrative(token.decode(), text, target)
    found = target(text) if kind in _LINKS else None
    return json.dumps(found, ensure_ascii=False).encode() if found else None


def _narrative(token: str, text: str, target: Callable[[str], str | None]) -> bytes | None:
    """Replace links inside the token, whose escapes stay as they are."""
    pieces: list[str] = []
    end = 0
    offsets: list[int] = []
    for link in _NARRATIVE.finditer(text):
        if found := target(html.unescape(link[2])):
            offsets = offsets or _offsets(token)
            inside = json.dumps(html.escape(found), ensure_ascii=False)[1:-1]
            pieces += (token[end : offsets[link.start(2)]], inside)
            end = offsets[link.end(2)]
    return "".join((*pieces, token[end:])).encode() if pieces else None


def _offsets(token: str) -> list[int]:
    """Give for each character of the text where it stands in the token."""
    offsets, position = [], 1
    while position < len(token):
        offsets.append(position)
        escape = _ESCAPE.match(token, position)
        position = escape.end() if escape else position + 1
    return offsets
