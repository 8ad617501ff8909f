"""Which element holds what strict JSON refuses; read once more, leniently, only after a refusal: http://hl7.org/fhir/R4/json.html"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from services.fhir.definitions import property_of, resource_types
from services.fhir.validation.problems import segment_of

_REFUSED = re.compile("[\x00\ud800-\udfff]")
_LARGEST = 1024 * 1024


class _Twice(dict[str, Any]):
    """An object with a property that was given twice."""

    name: str


class _NotANumber:
    """NaN or an infinity."""


def locate(body: bytes) -> tuple[str, ...]:
    """Give the FHIRPath of the first duplicate property, NaN, lone surrogate or U+0000, where it can be told."""
    if len(body) > _LARGEST:
        return ()
    try:
        text = body.decode("utf-8", "surrogatepass")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=lambda _: _NotANumber(), parse_int=str)
        root = value.get("resourceType") if isinstance(value, dict) else None
        return (next(_faults(value, root, root)),) if root in resource_types() else ()
    except (ValueError, RecursionError, StopIteration):
        return ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    twice = _Twice(result)
    twice.name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
    return twice


def _faults(value: Any, path: str, type_: str) -> Iterator[str]:
    if isinstance(value, _Twice):
        yield path + _element(type_, value.name)[0]
    if isinstance(value, dict):
        if any(map(_REFUSED.search, value)):
            yield path
        type_ = value["resourceType"] if value.get("resourceType") in resource_types() else type_
        for name, child in value.items():
            segment, child_type = _element(type_, name)
            yield from _faults(child, path + segment, child_type)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _faults(child, f"{path}[{index}]", type_)
    elif isinstance(value, _NotANumber) or (isinstance(value, str) and _REFUSED.search(value)):
        yield path


def _element(type_: str, name: str) -> tuple[str, str]:
    """Give the FHIRPath segment and the type of a property, as far as R4 knows it."""
    found = property_of(type_, name.removeprefix("_")) if type_ not in {"", "Resource"} else None
    return (f".{found[0].name}", found[1]) if found else (segment_of(name), "")
