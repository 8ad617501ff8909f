"""A list of primitives and the list of their extensions beside it stay aligned: http://hl7.org/fhir/R4/json.html#primitive"""

from typing import Any

Json = dict[str, Any]


def length(holder: Json, name: str) -> int:
    return max(len(holder.get(name) or ()), len(holder.get(f"_{name}") or ()))


def insert(holder: Json, name: str, index: int, value: Any, beside: Any) -> None:
    """`value` is None where there are only extensions, `beside` where there are none."""
    count = length(holder, name)
    for each, new in ((name, value), (f"_{name}", beside)):
        if each in holder or new is not None:
            _padded(holder, each, count).insert(index, new)


def replace(holder: Json, name: str, index: int, value: Any, beside: Any) -> None:
    count = length(holder, name)
    for each, new in ((name, value), (f"_{name}", beside)):
        if each in holder or new is not None:
            _padded(holder, each, count)[index] = new
    _tidy(holder, name)


def remove(holder: Json, name: str, index: int) -> None:
    count = length(holder, name)
    for each in (name, f"_{name}"):
        if each in holder:
            del _padded(holder, each, count)[index]
    _tidy(holder, name)


def move(holder: Json, name: str, source: int, destination: int) -> None:
    count = length(holder, name)
    for each in (name, f"_{name}"):
        if each in holder:
            values = _padded(holder, each, count)
            values.insert(destination, values.pop(source))


def _padded(holder: Json, name: str, count: int) -> list[Any]:
    values: list[Any] = holder.setdefault(name, [])
    values.extend([None] * (count - len(values)))
    return values


def _tidy(holder: Json, name: str) -> None:
    """A list that says nothing any more is not written: FHIR's JSON has no empty arrays."""
    for each in (name, f"_{name}"):
        if each in holder and all(value is None for value in holder[each]):
            del holder[each]
