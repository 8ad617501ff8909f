"""Every value of a resource with its FHIR type and its place: http://hl7.org/fhir/R4/formats.html"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from services.fhir.definitions import property_of


class Placed(NamedTuple):
    """A value of a resource that R4 accepts: where it is, its type, and the element that it is a value of."""

    path: str
    value: Any
    type: str
    place: str


def walk(resource: dict[str, Any]) -> Iterator[Placed]:
    """Give the resource itself, then what it holds, in document order."""
    type_ = str(resource["resourceType"])
    yield Placed("", resource, type_, type_)
    yield from _inside(resource, type_, "")


def _inside(value: dict[str, Any], type_: str, path: str) -> Iterator[Placed]:
    for name, child in value.items():
        found = property_of(type_, name)
        if found is None:  # resourceType, or what stands beside a primitive
            continue
        element, child_type = found
        for segment, item in _items(f"{path}.{element.name}", child):
            its_type = str(item["resourceType"]) if child_type == "Resource" else child_type
            yield Placed(segment, item, its_type, f"{type_}.{element.name}")
            if item.__class__ is dict:
                yield from _inside(item, its_type, segment)


def _items(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value.__class__ is not list:
        yield path, value
        return
    for number, item in enumerate(value):
        if item is not None:
            yield f"{path}[{number}]", item
