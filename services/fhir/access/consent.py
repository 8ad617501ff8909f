"""A patient's consent as rules: only nested provisions are rules, what is not understood never widens anything.

http://hl7.org/fhir/R4/consent.html#6.2.4 and the Personal Information Protection Law, articles 13, 15, 23 and 29: a consent names recipient,
purpose, classes and period, and its withdrawal holds from the next request on.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.access.classes import types_of
from services.fhir.access.purposes import expanded

Json = dict[str, Any]

PURPOSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CATEGORIES: Final = "https://yiyang.example/fhir/CodeSystem/consent-category"
PROXY_CATEGORY: Final = "proxy"
_NARROWING: Final = ("action", "securityLabel", "code", "data", "dataPeriod")  # what is not evaluated here


class Denial(msgspec.Struct, frozen=True):
    """What nobody, or one organization, may see; None limits nothing. `exceptions` are permitted all the same.

    A `withdrawn` permission is a denial that a later permission to the same organization lifts.
    """

    patient: str
    organization: str | None
    purposes: tuple[str, ...] | None
    types: tuple[str, ...] | None
    begins: datetime | None
    ends: datetime | None
    exceptions: tuple["Denial", ...] = ()
    withdrawn: bool = False


class Permission(msgspec.Struct, frozen=True):
    """A recipient that the patient names, and for what."""

    patient: str
    organization: str
    purposes: tuple[str, ...] | None
    types: tuple[str, ...] | None
    begins: datetime | None
    ends: datetime | None


def is_for_proxies(consent: Json) -> bool:
    """委托代理: the patient lets a relative act for her; without this category a consent names no proxy."""
    codings = (coding for category in consent.get("category", ()) for coding in category.get("coding", ()))
    return any(coding.get("code") == PROXY_CATEGORY and coding.get("system") == CATEGORIES for coding in codings)


class _Rule(msgspec.Struct, frozen=True):
    """One provision read; `is_whole` tells that nothing in it was left out of account."""

    permits: bool
    organizations: tuple[str | None, ...]
    purposes: tuple[str, ...] | None
    types: tuple[str, ...] | None
    begins: datetime | None
    ends: datetime | None
    is_whole: bool
    inside: tuple["_Rule", ...]


def permissions_of(consent: Json, patient: str) -> tuple[Permission, ...]:
    """What an active consent permits to organizations that it names."""
    return tuple(
        Permission(patient, organization, rule.purposes, rule.types, rule.begins, rule.ends)
        for rule in _rules(consent)
        if rule.permits and rule.is_whole
        for organization in rule.organizations
        if organization is not None
    )


def denials_of(consent: Json, patient: str) -> tuple[Denial, ...]:
    """What an active consent denies: its own rules, and the exceptions inside its permissions."""
    found: list[Denial] = []
    for rule in _rules(consent):
        if not rule.permits:
            found += _denials(rule, patient)
        else:
            for inner in rule.inside:
                if not inner.permits:
                    found += _denials(_inheriting(inner, rule), patient)
    return tuple(found)


def withdrawals_of(consent: Json, patient: str, at: datetime) -> tuple[Denial, ...]:
    """What a consent that is withdrawn denies from now on: all that it permitted."""
    return tuple(
        Denial(patient, organization, rule.purposes, rule.types, at, None, withdrawn=True)
        for rule in _rules(consent)
        if rule.permits
        for organization in rule.organizations
        if organization is not None
    )


def _denials(rule: _Rule, patient: str) -> Iterator[Denial]:
    for organization in rule.organizations:
        exceptions = tuple(
            Denial(patient, excepted, inner.purposes, inner.types, inner.begins, inner.ends)
            for inner in rule.inside
            if inner.permits and inner.is_whole and not inner.inside
            for excepted in inner.organizations
        )
        yield Denial(patient, organization, rule.purposes, rule.types, rule.begins, rule.ends, exceptions)


def _inheriting(inner: _Rule, outer: _Rule) -> _Rule:
    """A denial inside a permission is about whom and what the permission is about, where it does not say it itself."""
    return msgspec.structs.replace(
        inner,
        organizations=inner.organizations if inner.organizations != (None,) else outer.organizations,
        purposes=inner.purposes if inner.purposes is not None else outer.purposes,
        types=inner.types if inner.types is not None else outer.types,
    )


def _rules(consent: Json) -> Iterator[_Rule]:
    for provision in consent.get("provision", {}).get("provision", ()):
        yield _rule(provision)


def _rule(provision: Json) -> _Rule:
    permits = provision.get("type") == "permit"
    actors, actors_known = _organizations(provision.get("actor", ()))
    purposes, purposes_known = _purposes(provision.get("purpose", ()))
    types, types_known = types_of(provision["class"]) if provision.get("class") else ((), True)
    begins, ends, period_known = _period(provision.get("period", {}))
    known = actors_known and purposes_known and types_known and period_known
    wide = not permits and not known
    return _Rule(
        permits=permits,
        organizations=(None,) if wide and not actors_known else actors or (None,),
        purposes=None if (wide and not purposes_known) or not provision.get("purpose") else purposes,
        types=None if (wide and not types_known) or not provision.get("class") else types,
        begins=begins,
        ends=ends,
        is_whole=known and not any(provision.get(name) for name in _NARROWING),
        inside=tuple(_rule(inner) for inner in provision.get("provision", ())),
    )


def _organizations(actors: list[Json] | tuple[()]) -> tuple[tuple[str, ...], bool]:
    """The ids of organizations, and proxies by their references."""
    names = [actor.get("reference", {}).get("reference", "").split("/") for actor in actors]
    known = (name for name in names if name[-2:-1] in (["Organization"], ["RelatedPerson"]) and name[-1])
    found = tuple(dict.fromkeys(i if kind == "Organization" else f"{kind}/{i}" for *_, kind, i in known))
    return found, len(found) == len(names)


def _purposes(codings: list[Json] | tuple[()]) -> tuple[tuple[str, ...], bool]:
    known = [c["code"] for c in codings if c.get("system") == PURPOSES and "code" in c]
    return expanded(known), len(known) == len(codings)


def _period(period: Json) -> tuple[datetime | None, datetime | None, bool]:
    """A bound that is not an instant is not understood: a denial then has none, a permission does not count."""
    found = [_instant(period.get(end)) for end in ("start", "end")]
    return (
        found[0],
        found[1],
        all(f is not None or end not in period for f, end in zip(found, ("start", "end"), strict=True)),
    )


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
