"""What scopes with search parameters leave of a type (docs/adr/0049).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from services.fhir.definitions import resource_types, search_parameters
from services.fhir.national_ids import holds_national_id
from services.fhir.outcomes import FhirError
from services.fhir.scopes import ANY, Scope, ScopeError, parse_scope
from services.fhir.search.holding import Held, can_hold, held, holds
from services.fhir.search.parse import parse_criteria
from services.fhir.search.query import Condition, Match, Missing, ReferenceValue

Json = dict[str, Any]
Asked = tuple[tuple[Condition, ...], ...]
"""Alternatives, each of conditions that hold together; none of them is nothing at all."""

_AT_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)  # no condition that is taken depends on the time
_PERSONS: Final = frozenset({"Patient", "Person", "Practitioner", "RelatedPerson"})
_NAMING: Final = frozenset({"name", "family", "given", "phonetic", "telecom", "phone", "email", "address"})


class Limits(msgspec.Struct, frozen=True):
    """Of a caller whose `scopes` grant some types in part only."""

    scopes: tuple[str, ...]
    base: str
    zone: tzinfo

    def asked(self, resource_type: str, letter: str) -> Asked | None:
        """What a resource of the type must match one of for the letter; None where any is granted."""
        return _asked(self, resource_type, letter)

    def limited(self, letters: str) -> tuple[str, ...]:
        """The types of which not every resource is granted."""
        return _limited(self, letters)

    def is_limited(self, resource_type: str, letters: str) -> bool:
        return bool(self._of(resource_type, letters))

    def admits(self, letters: str, resource: Json) -> bool:
        """Whether a version may be read, written or found, by what it says itself."""
        asked = self._of(resource["resourceType"], letters)
        return not asked or _matches(asked, held(resource, self.base, self.zone))

    def admits_held(self, resource_type: str, letters: str, version: Held) -> bool:
        return _matches(self._of(resource_type, letters), version)

    def _of(self, resource_type: str, letters: str) -> list[Asked]:
        return [asked for each in letters if (asked := self.asked(resource_type, each)) is not None]


@lru_cache(maxsize=4096)
def limits_of(scopes: tuple[str, ...], base: str, zone: tzinfo) -> Limits | None:
    """None where no scope has parameters."""
    return Limits(scopes, base, zone) if any("?" in text for text in scopes) else None


def check_criteria(scope: Scope) -> None:
    """Raise ScopeError for parameters by which a resource alone can't be told apart from others, or that name a person."""
    if not scope.is_limited:
        return
    if scope.type != ANY and scope.type not in resource_types():
        raise ScopeError(f"{scope.text}: R4 has no resource type {scope.type}")
    if holds_national_id(scope.text):
        raise ScopeError(f"{scope.context}/{scope.type}.{scope.letters}?…: a national ID stands in no scope")
    try:
        conditions = _conditions(_one_of(scope.type), _criteria(scope), "", None)
    except FhirError as error:
        raise ScopeError(f"{scope.text}: {error.issues[0].diagnostics}") from error
    for condition in conditions:
        _check(condition, scope)


def _check(condition: Condition, scope: Scope) -> None:
    code = condition.parameter if isinstance(condition, Match | Missing) else ""
    if not can_hold(condition, _one_of(scope.type)) or code not in search_parameters(_one_of(scope.type)):
        raise ScopeError(
            f"{scope.text}: a scope takes R4's own token, reference, uri, string and date parameters, with :not, :missing, :exact or :contains; "
            "no chain, no _has, no _lastUpdated, no ap"
        )
    if scope.type == ANY and code not in _of_all():
        raise ScopeError(f"{scope.text}: not every type has {code}; name the type")
    if "identifier" in code or (scope.type in _PERSONS and code in _NAMING):
        raise ScopeError(f"{scope.text}: {code} may name a person, and scopes stand in tokens")
    values = condition.values if isinstance(condition, Match) else ()
    if any(isinstance(value, ReferenceValue) and len(value.references) != 1 for value in values):
        raise ScopeError(f"{scope.text}: say which type {code} refers to, as in {code}=Patient/1")


@lru_cache(maxsize=4096)
def _asked(limits: Limits, resource_type: str, letter: str) -> Asked | None:
    """A letter that no scope of the type grants is none of this, and gets no more than the others have."""
    scopes = [each for each in map(parse_scope, limits.scopes) if each.type in (resource_type, ANY)]
    granting = [each for each in scopes if letter in each.letters] or scopes
    if not granting or not all(each.is_limited for each in granting):
        return None
    return tuple(_alternatives(granting, resource_type, limits))


def _alternatives(scopes: Iterable[Scope], resource_type: str, limits: Limits) -> Iterable[tuple[Condition, ...]]:
    """What is no criterion here, of an issuer elsewhere for one, grants nothing."""
    for scope in scopes:
        try:
            check_criteria(scope)
            yield _conditions(resource_type, _criteria(scope), limits.base, limits.zone)
        except (FhirError, ScopeError):
            continue


@lru_cache(maxsize=1024)
def _limited(limits: Limits, letters: str) -> tuple[str, ...]:
    return tuple(t for t in resource_types() if limits.is_limited(t, letters))


def _conditions(resource_type: str, criteria: str, base: str, zone: tzinfo | None) -> tuple[Condition, ...]:
    return parse_criteria(resource_type, criteria, now=_AT_ANY_TIME, base=base, zone=zone).conditions


def _criteria(scope: Scope) -> str:
    return scope.text.partition("?")[2]


def _one_of(resource_type: str) -> str:
    return "Basic" if resource_type == ANY else resource_type


@cache
def _of_all() -> frozenset[str]:
    return frozenset.intersection(*(frozenset(search_parameters(each)) for each in resource_types()))


def _matches(asked: Iterable[Asked], version: Held) -> bool:
    return all(any(all(holds(c, version) for c in together) for together in each) for each in asked)
