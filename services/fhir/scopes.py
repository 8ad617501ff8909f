"""SMART on FHIR v2 scopes, as a pure grammar: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec

CREATE, READ, UPDATE, DELETE, SEARCH = LETTERS = "cruds"
ANY = "*"
# Operations that hold each resource to the parameters of scopes; any other one needs the type whole (docs/adr/0049).
HELD_TO_PARAMETERS = frozenset(
    {"everything", "events", "export", "import", "meta", "meta-add", "meta-delete", "status", "validate"}
)
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
        self._whole: dict[str, frozenset[str]] = {}
        self._some: dict[str, frozenset[str]] = {}
        for scope in scopes:
            for held in (self._some,) if scope.is_limited else (self._some, self._whole):
                held[scope.type] = held.get(scope.type, frozenset()) | frozenset(scope.letters)

    def allow(self, type_name: str, letters: str) -> bool:
        """Tell whether each of the letters is granted on every resource of the type; `*` asks for every type."""
        return _hold(self._whole, type_name, letters)

    def allow_some(self, type_name: str, letters: str) -> bool:
        """The same where it is enough that a scope with parameters grants it: who asks holds each resource to them (docs/adr/0049)."""
        return _hold(self._some, type_name, letters)

    def allow_any(self, letters: str) -> bool:
        """Tell whether any of the letters is granted on anything."""
        return any(not granted.isdisjoint(letters) for granted in self._some.values())

    def allow_operation(self, name: str, type_name: str, letters: str) -> bool:
        """`name` is without its `$`."""
        return (self.allow_some if name in HELD_TO_PARAMETERS else self.allow)(type_name, letters)


def _hold(held: Mapping[str, frozenset[str]], type_name: str, letters: str) -> bool:
    everywhere = held.get(ANY, frozenset())
    return everywhere.issuperset(letters) or (held.get(type_name, frozenset()) | everywhere).issuperset(letters)


@lru_cache(maxsize=4096)
def permissions(scopes: tuple[str, ...]) -> Permissions:
    """Return what the scopes of a Caller allow; made once for each set of scopes."""
    return Permissions(parse_scope(text) for text in scopes)


def _meet(one: Scope, other: Scope) -> str | None:
    if one.context != other.context or (one.type != other.type and ANY not in (one.type, other.type)):
        return None
    letters = "".join(letter for letter in one.letters if letter in other.letters)
    if not letters:
        return None
    type_name = other.type if one.type == ANY else one.type
    # What repeats in a query holds together, so two queries in one are what both leave.
    limit = "&".join(dict.fromkeys(each.text.partition("?")[2] for each in (one, other) if each.is_limited))
    return f"{one.context}/{type_name}.{letters}" + (f"?{limit}" if limit else "")
