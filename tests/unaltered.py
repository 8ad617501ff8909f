"""Whether a resource came back as it was sent: every value, every digit, in the same order: http://hl7.org/fhir/R4/json.html"""

import json
from collections.abc import Mapping
from typing import Any

_SERVERS_OWN = frozenset({"versionId", "lastUpdated"})


Properties = list[tuple[str, Any]]


def parsed(body: str | bytes) -> Properties:
    """The properties in their order, numbers as they were written."""
    properties: Properties = json.loads(body, object_pairs_hook=list, parse_float=_number, parse_int=_number)
    return properties


def resources(bundle: str | bytes) -> list[Properties]:
    return [value for entry in dict(parsed(bundle))["entry"] for name, value in entry if name == "resource"]


def content(properties: Properties, links: Mapping[str, str] | None = None) -> Properties:
    """What a resource says, without its id and what the server says in `meta`.

    `links` are the fullUrls of a transaction and what they became.
    """
    kept = [(name, _linked(value, links or {})) for name, value in properties if name not in ("id", "meta")]
    meta = [
        tuple(pair) for name, value in properties if name == "meta" for pair in value if pair[0] not in _SERVERS_OWN
    ]
    return [*kept, ("meta", meta)]


def _number(text: str) -> tuple[str, str]:
    return ("number", text)


def _linked(value: Any, links: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return links.get(value, value)
    if isinstance(value, list | tuple):
        return [_linked(each, links) for each in value]
    return value
