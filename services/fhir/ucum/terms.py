"""The grammar of a unit: https://ucum.org/ucum#section-Syntax-Rules"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from services.fhir.ucum.atoms import Atom, atoms, prefixes

MAX_LENGTH: Final = 200

_ANNOTATION: Final = re.compile(r"\{[\x21-\x7a|~]*\}")
_SYMBOL: Final = re.compile(
    r"(?:\[[\x21-\x5a\x5c\x5e-\x7e]*\]|[\x21\x23-\x27*,0-9:;<>?@A-Z\\^_`a-z|~])+(?:[+-][0-9]{1,2})?"
)


class Factor(msgspec.Struct, frozen=True):
    """A whole number, or an atom with its prefix, to a power."""

    number: int
    prefix: str
    atom: Atom | None
    exponent: int


def parse_unit(code: str) -> tuple[Factor, ...]:
    """Raise ValueError for what is no unit."""
    if not code or len(code) > MAX_LENGTH:
        raise ValueError("not a unit")
    reader = _Reader(code)
    found = tuple(reader.term(1, first=True))
    if reader.place != len(code):
        raise ValueError("not a unit")
    return found


class _Reader:
    def __init__(self, code: str) -> None:
        self.code = code
        self.place = 0

    def taken(self, sign: str) -> bool:
        if self.code.startswith(sign, self.place):
            self.place += len(sign)
            return True
        return False

    def term(self, sign: int, *, first: bool = False) -> Iterator[Factor]:
        """Products and quotients, from left to right."""
        direction = -sign if first and self.taken("/") else sign
        yield from self.component(direction)
        while self.place < len(self.code) and self.code[self.place] in "./":
            direction = sign if self.code[self.place] == "." else -sign
            self.place += 1
            yield from self.component(direction)

    def component(self, sign: int) -> Iterator[Factor]:
        if self.taken("("):
            yield from self.term(sign)
            if not self.taken(")"):
                raise ValueError("not a unit")
            return
        symbol = _SYMBOL.match(self.code, self.place)
        if symbol:
            self.place = symbol.end()
            yield _factor(symbol[0], sign)
        annotation = _ANNOTATION.match(self.code, self.place)
        if annotation:
            self.place = annotation.end()
        if not symbol and not annotation:
            raise ValueError("not a unit")


def _factor(text: str, sign: int) -> Factor:
    if text.isascii() and text.isdigit():
        return Factor(int(text), "", None, sign)
    for symbol, exponent in _powers(text):
        if found := _atom(symbol):
            return Factor(1, found[0], found[1], sign * exponent)
    raise ValueError("not a unit")


def _powers(text: str) -> Iterator[tuple[str, int]]:
    """`m3` is m to the third, `10*3` ten to the third, `m[H2O]` a symbol as it stands."""
    yield text, 1
    found = re.fullmatch(r"(.*?[^0-9+-])([+-]?[0-9]{1,2})", text)
    if found:
        yield found[1], int(found[2])


def _atom(symbol: str) -> tuple[str, Atom] | None:
    if whole := atoms().get(symbol):
        return "", whole
    for length in (2, 1):
        rest = atoms().get(symbol[length:])
        if rest and rest.is_metric and symbol[:length] in prefixes():
            return symbol[:length], rest
    return None
