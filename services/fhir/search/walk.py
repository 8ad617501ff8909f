"""Steps through a resource as nested closures, each handing its values to the next: http://hl7.org/fhirpath/N1/#path-selection"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

Test = Callable[[Any], bool]
Out = TypeVar("Out")
Sink = Callable[[Any, Out], None]


class Field(msgspec.Struct, frozen=True):
    """A JSON property; `position` is for `[n]`."""

    name: str
    many: bool
    position: int | None = None


class Where(msgspec.Struct, frozen=True):
    test: Test


class Evaluate(msgspec.Struct, frozen=True):
    """The answer of the test is the value."""

    test: Test


Step = Field | Where | Evaluate


def bind(steps: tuple[Step, ...], sink: Sink[Out]) -> Sink[Out]:
    """Give a closure that feeds `sink` every value at the end of the steps."""
    for step in reversed(steps):
        sink = _bind(step, sink)
    return sink


def bind_value(steps: tuple[Step, ...], sink: Sink[Out]) -> tuple[str, Sink[Out]] | None:
    """Give the property that the steps start with and a closure over its value; None where they need the whole."""
    match steps:
        case (Field(name, many, position=None), *rest):
            then = bind(tuple(rest), sink)
            return name, _members(then) if many else then
    return None


def _members(then: Sink[Out]) -> Sink[Out]:
    def step(values: Any, out: Out) -> None:
        for value in values:
            if value is not None:
                then(value, out)

    return step


def _bind(step: Step, then: Sink[Out]) -> Sink[Out]:
    match step:
        case Where(test):
            return _where(test, then)
        case Evaluate(test):
            return lambda value, out: then(test(value), out)
    if not step.many:
        return _one(step.name, then)
    return _each(step.name, then) if step.position is None else _at(step.name, step.position, then)


def _where(test: Test, then: Sink[Out]) -> Sink[Out]:
    def step(value: Any, out: Out) -> None:
        if test(value):
            then(value, out)

    return step


def _one(name: str, then: Sink[Out]) -> Sink[Out]:
    def step(value: Any, out: Out) -> None:
        if (found := value.get(name)) is not None:
            then(found, out)

    return step


def _each(name: str, then: Sink[Out]) -> Sink[Out]:
    def step(value: Any, out: Out) -> None:
        for found in value.get(name, ()):
            if found is not None:  # a primitive that has only an extension
                then(found, out)

    return step


def _at(name: str, position: int, then: Sink[Out]) -> Sink[Out]:
    def step(value: Any, out: Out) -> None:
        for found in value.get(name, ())[position : position + 1]:
            then(found, out)

    return step
