"""SMART on FHIR v2 scopes, as a pure grammar: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html"""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

CREATE, READ, UPDATE, DELETE, SEARCH = LETTERS = "cruds"
ANY = "*"
_SCOPE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(c?r?u?d?s?)(?:\?(\S+))?", re.ASCII)
_VERSION_1 = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*)", re.ASCII)


class ScopeError(ValueError):
    """A text that is not a scope; the message says what to write instead."""


class Scope(msgspec.Struct, frozen=True):
    """One scope: `letters` of `cruds` on `type` (or `*`), for the resources that match `query`."""

    context: str
    type: str
    letters: str
    query: tuple[tuple[str, str], ...] = ()
    text: str = ""

    @property
    def is_limited(self) -> bool:
        return bool(self.query)


def parse_scope(text: str) -> Scope:
    """Return the scope, or raise ScopeError: letters are a part of `cruds` in that order, types are names or `*`."""
    if _VERSION_1.fullmatch(text):
        raise ScopeError(f"{text}: SMART v1; write .rs for .read, .cud for .write, .cruds for .*")
    match = _SCOPE.fullmatch(text)
    if match is None or not match[3]:
        raise ScopeError(f"{text}: expected e.g. system/Observation.rs, the letters in the order cruds")
    query = tuple(parse_qsl(match[4] or "", keep_blank_values=True))
    if match[4] and not all(name and value for name, value in query):
        raise ScopeError(f"{text}: a parameter without name or value")
    return Scope(match[1], match[2], match[3], query, text)


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Return the scopes of a list separated by spaces, each once, in the order given."""
    return tuple(parse_scope(part) for part in dict.fromkeys(text.split()))


def narrow(asked: Iterable[Scope], registered: Iterable[Scope]) -> tuple[str, ...]:
    """Return what is both asked for and registered; never more than either, possibly nothing.

    >>> narrow(parse_scopes("system/*.rs"), parse_scopes("system/Task.cruds system/Slot.s"))
    ('system/Task.rs', 'system/Slot.s')
    """
    held = tuple(registered)
    meets = (_meet(one, other) for one in asked for other in held)
    return tuple(dict.fromkeys(meet for meet in meets if meet))


class Permissions:
    """What a set of scopes allows, ready for one look-up per request."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._letters: dict[str, frozenset[str]] = {}
        for scope in scopes:
            # A limited scope covers only matching resources: where they cannot be told apart it covers none.
            if not scope.is_limited:
                self._letters[scope.type] = self._letters.get(scope.type, frozenset()) | frozenset(scope.letters)
        self._everywhere = self._letters.get(ANY, frozenset())

    def allow(self, type_name: str, letters: str) -> bool:
        """Tell whether each of the letters is granted on the type; `*` asks for every type."""
        return self._everywhere.issuperset(letters) or (
            (self._letters.get(type_name, frozenset()) | self._everywhere).issuperset(letters)
        )


@lru_cache(maxsize=4096)
def permissions(scopes: tuple[str, ...]) -> Permissions:
    """Return what the scopes of a Caller allow; made once for each set of scopes."""
    return Permissions(parse_scope(text) for text in scopes)


def _meet(one: Scope, other: Scope) -> str | None:
    if one.context != other.context or (one.type != other.type and ANY not in (one.type, other.type)):
        return None
    letters = "".join(letter for letter in one.letters if letter in other.letters)
    # Two queries cannot be joined into one without knowing what they mean.
    if not letters or (one.query and other.query and one.query != other.query):
        return None
    type_name = other.type if one.type == ANY else one.type
    limit = (one if one.is_limited else other).text.partition("?")[2]
    return f"{one.context}/{type_name}.{letters}" + (f"?{limit}" if limit else "")
