"""Values that stand together in one element: http://hl7.org/fhir/R4/search.html#composite"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from services.fhir.definitions import SearchParameter
from services.fhir.search.paths import Branch, branches
from services.fhir.search.row import CompositeIndex, IndexRow, Row
from services.fhir.search.walk import Sink, bind

Json = dict[str, Any]
Walk = Callable[[Json, Row], None]
# R4 names the parameter of the reference for the code, and the other way round.
_SWAPPED: Final = frozenset({"http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"})

Sinks = Mapping[tuple[str, str], Callable[[str], Sink[Row]]]


class Component(msgspec.Struct, frozen=True):
    """One part: the parameter that says how its values are compared, and its path from the element that holds the parts."""

    parameter: SearchParameter
    expression: str


def components_of(parameter: SearchParameter, by_url: Mapping[str, SearchParameter]) -> tuple[Component, ...]:
    """Give the parts in their order; none for a composite of parameters that its type does not have."""
    urls = [url for url, _ in parameter.components]
    paths = [path for _, path in parameter.components]
    found = [
        (by_url.get(url), path)
        for url, path in zip(urls[::-1] if parameter.url in _SWAPPED else urls, paths, strict=True)
    ]
    return tuple(Component(part, expression) for part, expression in found if part) if all(p for p, _ in found) else ()


def composite_walks(
    composites: Mapping[SearchParameter, tuple[Component, ...]], resource_type: str, sinks: Sinks
) -> list[Walk]:
    """Give one walk per element and set of parts: parameters that ask the same of the same element share it."""
    shared: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for parameter, components in composites.items():
        for focus in branches(parameter.expression, resource_type):
            parts = tuple((each.parameter.type, each.expression) for each in components)
            shared[focus, parts].append(parameter.code)
    return [_walk(focus, parts, tuple(codes), sinks) for (focus, parts), codes in shared.items()]


def _walk(focus: Branch, parts: tuple[tuple[str, str], ...], codes: tuple[str, ...], sinks: Sinks) -> Walk:
    """The last part is read first: it is the value, which is most often absent."""
    readers = [(type_, [*_readers(type_, path, focus.type, sinks)]) for type_, path in reversed(parts)]
    elements = bind(focus.steps, _append)

    def walk(resource: Json, row: Row) -> None:
        found: list[Any] = []
        elements(resource, found)
        for element in found:
            read: list[IndexRow] = []
            for type_, part in readers:
                inner = Row(row.base, row.zone, row.contained)
                for reader, rooted in part:
                    reader(resource if rooted else element, inner)
                if type_ == "string":
                    inner.tokens.clear()
                else:
                    inner.strings.clear()
                if not (inner.tokens or inner.quantities or inner.dates or inner.strings):
                    break
                read.append(inner.done())
            else:
                row.composites.append(CompositeIndex(codes, read[::-1]))

    return walk


def _readers(type_: str, expression: str, focus_type: str, sinks: Sinks) -> Iterator[tuple[Sink[Row], bool]]:
    for branch in branches(expression, focus_type):
        if make := sinks.get((type_, branch.type)):
            yield bind(branch.steps, make("")), branch.rooted


def _append(value: Any, found: list[Any]) -> None:
    found.append(value)
