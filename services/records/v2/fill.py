"""A segment's elements by the rules of its mapping, with every value that can't be told at once: docs/v2.md"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import msgspec

from services.records.v2.datatypes import CONVERSIONS, Here
from services.records.v2.faults import BadValueError, Fault, NotTakenError, Place, missing_field
from services.records.v2.mapping import Rule
from services.records.v2.message import Message, Segment, Value

Json = dict[str, Any]
Elements = dict[str, Any]


class Filled(msgspec.Struct, frozen=True):
    """Elements by their dotted names, and the field that each was read from."""

    elements: Elements
    places: dict[str, Place]


class Near:
    """The segments among which a rule finds its fields: those of one group, then the message's own."""

    def __init__(self, message: Message, group: Iterable[Segment] = ()) -> None:
        self._message = message
        self._group: Final = [*group]

    def values(self, field: str) -> list[Value]:
        name, place, component = parts(field)
        segment = next((s for s in self._group if s.name == name), None) or self._message.first(name)
        found = segment.all(place) if segment else []
        return [value.at(component) for value in found] if component else found


@cache
def parts(field: str) -> tuple[str, int, int]:
    """Segment, field and component of `ORC-7.6`; 0 for the whole field."""
    name, _, number = field.partition("-")
    place, _, component = number.partition(".")
    return name, int(place), int(component or 0)


def fill(segment: str, near: Near, here: Here, missing: Place | None = None) -> Filled:
    """All elements of a segment; NotTakenError AE with every fault. `missing` is where what is required is missed."""
    elements: Elements = {}
    places: dict[str, Place] = {}
    faults: list[Fault] = []
    for name, rule in here.mapping.rules(segment).items():
        values = next((found for field in rule.fields if (found := near.values(field))), [])
        if not values:
            if rule.required:
                faults.append(missing_field(_place(rule, missing)))
            continue
        places[name] = values[0].place
        known = len(faults)
        converted = [each for value in values if (each := _converted(value, rule, here, faults)) not in (None, "")]
        if converted:
            elements[name] = converted if rule.each else converted[0]
        elif rule.required and len(faults) == known:
            faults.append(missing_field(values[0].place))
    if faults:
        raise NotTakenError("AE", *faults)
    return Filled(elements, places)


def _place(rule: Rule, missing: Place | None) -> Place:
    name, field, _ = parts(rule.fields[0])
    number = missing.number if missing is not None and missing.segment == name else 1
    return Place(name, number, field)


def _converted(value: Value, rule: Rule, here: Here, faults: list[Fault]) -> Any:
    try:
        found = CONVERSIONS[rule.kind](value, rule, here)
    except BadValueError as error:
        faults.append(error.at(value.place))
        return None
    return found | rule.fixed if rule.fixed else found
