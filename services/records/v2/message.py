"""One message as segments, fields, repetitions and components, read by the library `hl7`: https://python-hl7.readthedocs.io

The only module that knows the library (docs/adr/0043). Numbers are those of the standard: `PID-5`, first repetition, component 2.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import hl7

from services.records.v2.faults import SEGMENT_SEQUENCE, Fault, NotTakenError, Place

_HEADER: Final = "MSH"
_SHORTEST: Final = 8
_NAME: Final = 3


class Value:
    """One repetition of a field. A component that is not there is empty; `""` (delete) is told by `is_deletion`."""

    def __init__(self, said: Any, source: "Segment", place: Place) -> None:
        self._parts: list[Any] = list(said) if isinstance(said, list) else [said]
        self._source = source
        self.place = place

    def part(self, component: int = 1, sub: int = 1) -> str:
        if component > len(self._parts):
            return ""
        found = self._parts[component - 1]
        if isinstance(found, list):
            found = found[sub - 1] if sub <= len(found) else ""
        elif sub > 1:
            return ""
        return self._source.plain(str(found)).strip()

    def at(self, component: int) -> "Value":
        """One component as a value of its own."""
        said = self._parts[component - 1] if component <= len(self._parts) else ""
        return Value([said], self._source, self.place._replace(component=component))

    @property
    def is_deletion(self) -> bool:
        return self.part() == '""'

    def __bool__(self) -> bool:
        return any(self.part(n) for n in range(1, len(self._parts) + 1)) and not self.is_deletion


class Segment:
    """`number` counts the segments of the same name."""

    def __init__(self, said: Any, number: int, message: Any) -> None:
        self._said = said
        self._message = message
        self.name = str(said[0])
        self.number = number
        self._fields: dict[int, list[Value]] = {}

    def all(self, field: int) -> list[Value]:
        """The repetitions that say something."""
        if field >= len(self._said):
            return []
        if field not in self._fields:
            said = self._said[field]
            found = (Value(each, self, self.place(field, n if n > 1 else 0)) for n, each in enumerate(said, 1))
            self._fields[field] = [value for value in found if value]
        return self._fields[field]

    def first(self, field: int) -> Value | None:
        return next(iter(self.all(field)), None)

    def text(self, field: int, component: int = 1) -> str:
        value = self.first(field)
        return value.part(component) if value else ""

    def place(self, field: int = 0, repetition: int = 0) -> Place:
        return Place(self.name, self.number, field, repetition)

    def plain(self, text: str) -> str:
        r"""Without the escapes `\F\ \S\ \T\ \R\ \E\ \X..\ \.br\`."""
        if self._message.esc not in text:
            return text
        unescaped: str = self._message.unescape(text)
        return unescaped


def check_header(content: bytes) -> None:
    """NotTakenError AR for what is no message at all, in whatever charset."""
    head = content[:_SHORTEST].decode("latin-1")
    if head[:_NAME] != _HEADER or len(head) < _SHORTEST or head[_NAME].isalnum():
        raise NotTakenError("AR", _no_header())


class Message:
    def __init__(self, text: str) -> None:
        try:
            said: Any = hl7.parse(text)
        except Exception as error:  # the library raises whatever comes
            raise NotTakenError("AR", _no_header()) from error
        counted: Counter[str] = Counter()
        self.segments: list[Segment] = []
        for each in said:
            name = str(each[0])
            counted[name] += 1
            self.segments.append(Segment(each, counted[name], said))
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


def _no_header() -> Fault:
    return Fault(
        Place(_HEADER),
        SEGMENT_SEQUENCE,
        "the message does not begin with a whole MSH segment",
        "消息未以完整的 MSH 段开头",
    )
