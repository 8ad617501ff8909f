"""One message as segments, fields, repetitions and components, read by the library `hl7kit`: https://docs.rs/hl7kit

The only module that knows the library (docs/adr/0043). Numbers are those of the standard: `PID-5`, first repetition, component 2.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import hl7kit

from services.records.v2.faults import SEGMENT_SEQUENCE, Fault, NotTakenError, Place

_HEADER: Final = "MSH"
_SHORTEST: Final = 8
_NAME: Final = 3
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}$", re.ASCII)


class Value:
    """One repetition of a field, or the one component that a rule means. What is not there is empty; `""` (delete) says nothing."""

    def __init__(self, said: hl7kit.Message, path: str, place: Place, marks: str) -> None:
        self._said = said
        self._path = path
        self._marks = marks
        self.place = place

    def part(self, component: int = 1, sub: int = 1) -> str:
        if self.place.component:
            return (self._said.get(f"{self._path}.{sub}") or "").strip() if component == 1 else ""
        return (self._said.get(f"{self._path}.{component}.{sub}") or "").strip()

    def at(self, component: int) -> "Value":
        """One component as a value of its own."""
        return Value(self._said, f"{self._path}.{component}", self.place._replace(component=component), self._marks)

    def __bool__(self) -> bool:
        whole = self._said.get(self._path) or ""
        return bool(whole.strip(self._marks)) and whole != '""'


class Segment:
    """`number` counts the segments of the same name."""

    def __init__(self, said: hl7kit.Message, name: str, number: int, marks: str) -> None:
        self._said = said
        self._marks = marks
        self.name = name
        self.number = number
        self._fields: dict[int, list[Value]] = {}

    def all(self, field: int) -> list[Value]:
        """The repetitions that say something."""
        if field not in self._fields:
            self._fields[field] = [value for value in self._repetitions(field) if value]
        return self._fields[field]

    def _repetitions(self, field: int) -> Iterator[Value]:
        path, n = f"{self.name}[{self.number}]-{field}", 1
        whole = self._said.get(path)
        while whole and (n == 1 or self._said.get(f"{path}[{n}]") is not None):
            yield Value(self._said, f"{path}[{n}]", self.place(field, n if n > 1 else 0), self._marks)
            if self._marks[1] not in whole:
                return
            n += 1

    def first(self, field: int) -> Value | None:
        return next(iter(self.all(field)), None)

    def text(self, field: int, component: int = 1) -> str:
        value = self.first(field)
        return value.part(component) if value else ""

    def place(self, field: int = 0, repetition: int = 0) -> Place:
        return Place(self.name, self.number, field, repetition)


def check_header(content: bytes) -> None:
    """NotTakenError AR for what is no message at all, in whatever charset."""
    head = content[:_SHORTEST].decode("latin-1")
    if head[:_NAME] != _HEADER or len(head) < _SHORTEST or head[_NAME].isalnum():
        raise NotTakenError("AR", _no_header())


class Message:
    def __init__(self, text: str) -> None:
        _check_segments(text)
        try:
            said = hl7kit.parse(text)
        except hl7kit.ParseError as error:
            raise NotTakenError("AR", _no_header()) from error
        marks = f"{text[_NAME + 1 : _SHORTEST]} "  # component, repetition, escape, sub-component
        counted: Counter[str] = Counter()
        self.segments: list[Segment] = []
        for name in said.segments():
            counted[name] += 1
            self.segments.append(Segment(said, name, counted[name], marks))
        self.header = self.segments[0]

    def all(self, name: str) -> list[Segment]:
        return [each for each in self.segments if each.name == name]

    def first(self, name: str) -> Segment | None:
        return next((each for each in self.segments if each.name == name), None)

    def groups(self, first: str, names: frozenset[str]) -> Iterator[list[Segment]]:
        """Runs of segments that begin with `first` and hold `names`: an OBR with its OBX."""
        group: list[Segment] = []
        for each in self.segments:
            if each.name == first:
                if group:
                    yield group
                group = [each]
            elif group and each.name in names:
                group.append(each)
        if group:
            yield group

    @cached_property
    def event(self) -> str:
        """`ADT^A01`; without the structure that newer versions add."""
        return f"{self.header.text(9)}^{self.header.text(9, 2)}"

    @cached_property
    def control_id(self) -> str:
        return self.header.text(10)


def _check_segments(text: str) -> None:
    """A line that is no segment stands where a message was broken off, or its text holds a line break."""
    mark, before = text[_NAME], _HEADER
    for line in text.split("\r"):
        name = line.partition(mark)[0]
        if line and not _SEGMENT.match(name):
            raise NotTakenError("AE", _no_segment(before))
        before = name or before


def _no_segment(before: str) -> Fault:
    return Fault(
        Place(before),
        SEGMENT_SEQUENCE,
        f"behind {before} stands a line that is no segment: broken off, or a line break in a field that is not escaped",
        f"{before} 段之后的一行不是消息段：可能被截断，或字段内换行未转义",
    )


def _no_header() -> Fault:
    return Fault(
        Place(_HEADER),
        SEGMENT_SEQUENCE,
        "the message does not begin with a whole MSH segment",
        "消息未以完整的 MSH 段开头",
    )
