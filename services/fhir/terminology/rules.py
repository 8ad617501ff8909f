"""What one include or exclude of a value set means: http://hl7.org/fhir/R4/valueset.html#compositions"""

from collections.abc import Callable, Iterator
from typing import Any

from services.fhir.outcomes import unprocessable
from services.fhir.terminology.systems import Concept, System

Json = dict[str, Any]
Test = Callable[[Concept], bool]


def selected(include: Json, system: System) -> Iterator[Concept]:
    """The concepts of a system that pass every filter, in the order of the system."""
    tests = [_test(each, system) for each in include.get("filter", ())]
    return (concept for concept in system.concepts.values() if all(test(concept) for test in tests))


def listed(include: Json, system: System | None) -> Iterator[Concept]:
    """The codes that an include lists, with the display that it gives them, or that the system does."""
    for each in include["concept"]:
        known = system.get(each["code"]) if system else None
        yield Concept(
            code=each["code"],
            display=each.get("display") or (known.display if known else each["code"]),
            definition=known.definition if known else None,
            designations=(*each.get("designation", ()), *(known.designations if known else ())),
            properties=known.properties if known else (),
            parents=known.parents if known else (),
        )


def _test(rule: Json, system: System) -> Test:
    name, operator, value = rule["property"], rule["op"], str(rule["value"])
    if name in ("concept", "code") and operator in _ABOUT_THE_TREE:
        return _ABOUT_THE_TREE[operator](system, value)
    if operator in _ABOUT_VALUES:
        return _ABOUT_VALUES[operator](_values_of(name), value)
    raise unprocessable(
        f"The filter {name} {operator} is not supported here", code="not-supported", text="不支持该值集过滤条件"
    )


def _is_a(system: System, code: str) -> Test:
    found = system.descendants(code) | {code}
    return lambda concept: concept.code in found


def _descends(system: System, code: str) -> Test:
    found = system.descendants(code)
    return lambda concept: concept.code in found


def _is_not_a(system: System, code: str) -> Test:
    found = system.descendants(code) | {code}
    return lambda concept: concept.code not in found


def _generalizes(system: System, code: str) -> Test:
    found = system.ancestors(code) | {code}
    return lambda concept: concept.code in found


def _values_of(name: str) -> Callable[[Concept], list[str]]:
    match name:
        case "code" | "concept":
            return lambda concept: [concept.code]
        case "display":
            return lambda concept: [concept.display]
        case "parent":
            return lambda concept: list(concept.parents)
        case _:
            return lambda concept: concept.values(name)


def _equals(values: Callable[[Concept], list[str]], wanted: str) -> Test:
    return lambda concept: wanted in values(concept)


def _in(values: Callable[[Concept], list[str]], wanted: str) -> Test:
    some = frozenset(part.strip() for part in wanted.split(","))
    return lambda concept: not some.isdisjoint(values(concept))


def _not_in(values: Callable[[Concept], list[str]], wanted: str) -> Test:
    some = frozenset(part.strip() for part in wanted.split(","))
    return lambda concept: some.isdisjoint(values(concept))


def _exists(values: Callable[[Concept], list[str]], wanted: str) -> Test:
    return lambda concept: bool(values(concept)) is (wanted == "true")


_ABOUT_THE_TREE: dict[str, Callable[[System, str], Test]] = {
    "is-a": _is_a,
    "descendent-of": _descends,
    "is-not-a": _is_not_a,
    "generalizes": _generalizes,
}
# `regex` is not among them: an expression from outside can take any time.
_ABOUT_VALUES: dict[str, Callable[[Callable[[Concept], list[str]], str], Test]] = {
    "=": _equals,
    "in": _in,
    "not-in": _not_in,
    "exists": _exists,
}
