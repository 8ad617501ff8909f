"""What lets two institutions refer to each other: a 医养协议 (Contract) or a 医联体 (OrganizationAffiliation), and its terms.

http://hl7.org/fhir/R4/contract.html · http://hl7.org/fhir/R4/organizationaffiliation.html
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from services.fhir.elements import codes_in, id_in, reference_in
from services.referral.clocks import PRIORITIES, Terms
from services.referral.codes import (
    ACT,
    AFFILIATION_TYPE,
    CONTRACT_TERM,
    CONTRACT_TYPE,
    DIRECTION,
    DIRECTION_EXTENSION,
    DIRECTIONS,
    PRIORITY,
)

Json = dict[str, Any]

COOPERATION: Final = "cooperation"
_AFFILIATIONS: Final = frozenset({"consortium", "agreement", "support"})
_UNITS: Final = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class Agreement(msgspec.Struct, frozen=True):
    """What one relation between two institutions says; no departments means all, no quota none that is kept apart.

    `lead` is the institution at the head of a consortium: it is told when a referral waits too long.
    """

    source: str
    directions: frozenset[str]
    departments: frozenset[str] = frozenset()
    quota: int | None = None
    terms: Terms = {}
    lead: str | None = None


def relation(found: Iterable[Agreement], direction: str) -> Agreement | None:
    """The first that permits the direction; a contract of the two comes before a consortium."""
    ordered = sorted(found, key=lambda each: (not each.source.startswith("Contract/"), each.source))
    return next((each for each in ordered if direction in each.directions), None)


def agreement_of(contract: Json, parties: tuple[str, str], at: datetime) -> Agreement | None:
    """An executed cooperation contract of these two, signed by both, that applies now."""
    is_ours = COOPERATION in codes_in(contract.get("type"), CONTRACT_TYPE) and {*parties} <= parties_of(contract)
    if contract.get("status") != "executed" or not is_ours or not _applies(contract.get("applies"), at):
        return None
    terms = contract.get("term", [])
    return Agreement(
        source=f"Contract/{contract.get('id')}",
        directions=frozenset(_codings(terms, "direction")) or frozenset(DIRECTIONS),
        departments=frozenset(reference_in(v) for v in _answers(terms, "department") if reference_in(v)),
        quota=next((v for v in _answers(terms, "quota") if isinstance(v, int)), None),
        terms=dict(_clocks(terms)),
    )


def parties_of(contract: Json) -> frozenset[str]:
    """The institutions that it names and that have signed it."""
    named = {id_in(each, "Organization") for each in contract.get("subject", ())}
    signed = {id_in(each.get("party"), "Organization") for each in contract.get("signer", ())}
    return frozenset(each for each in named & signed if each)


def affiliation_of(affiliation: Json, parties: tuple[str, str], at: datetime) -> Agreement | None:
    """An active affiliation of the placer and the fulfiller: up goes from the member to its head, down from the head to its member."""
    head, member = (
        id_in(affiliation.get(name), "Organization") for name in ("organization", "participatingOrganization")
    )
    if not {*parties} <= {head, member} or not is_consortium(affiliation, at):
        return None
    found = _of(affiliation, f"OrganizationAffiliation/{affiliation.get('id')}")
    ways = {"down", "lateral"} if parties[0] == head else {"up", "lateral"}
    return msgspec.structs.replace(found, directions=found.directions & ways)


def consortium_of(first: Iterable[Json], second: Iterable[Json], at: datetime) -> Agreement | None:
    """Both are members of one head's consortium: `first` and `second` are the affiliations of each as a member."""
    heads = {id_in(each.get("organization"), "Organization"): each for each in second if is_consortium(each, at)}
    for own in first:
        head = id_in(own.get("organization"), "Organization")
        if head in heads and is_consortium(own, at):
            found = _of(own, f"OrganizationAffiliation/{own.get('id')}")
            other = _of(heads[head], "")
            return msgspec.structs.replace(found, directions=found.directions & other.directions)
    return None


def is_consortium(affiliation: Json, at: datetime) -> bool:
    return (
        affiliation.get("active") is not False
        and bool(_AFFILIATIONS & {*codes_in(affiliation.get("code"), AFFILIATION_TYPE)})
        and _applies(affiliation.get("period"), at)
    )


def _of(affiliation: Json, source: str) -> Agreement:
    stated = {
        each.get("valueCode") for each in affiliation.get("extension", ()) if each.get("url") == DIRECTION_EXTENSION
    }
    lead = id_in(affiliation.get("organization"), "Organization")
    return Agreement(source, frozenset(stated & {*DIRECTIONS}) or frozenset(DIRECTIONS), lead=lead)


def _applies(period: Json | None, at: datetime) -> bool:
    """Days count as a whole, an end that is not there never comes: http://hl7.org/fhir/R4/datatypes.html#Period"""
    start, end = (str((period or {}).get(name, "")) for name in ("start", "end"))
    return (not start or _bound(start, at, is_end=False) <= at) and (not end or at <= _bound(end, at, is_end=True))


def _bound(text: str, at: datetime, *, is_end: bool) -> datetime:
    """The first or the last instant of a date that may be a year or a month."""
    if "T" in text:
        return datetime.fromisoformat(text)
    year, month, day = (*(int(part) for part in text.split("-")), 0, 0)[:3]
    first = date(year, month or 1, day or 1)
    if is_end and day:
        first += timedelta(days=1)
    elif is_end:
        first = date(year + (month in (0, 12)), (month % 12) + 1 if month else 1, 1)
    return datetime.combine(first, datetime.min.time(), at.tzinfo)


def _clocks(terms: Iterable[Json]) -> Iterator[tuple[tuple[str, str], timedelta]]:
    """A term `clock`: which act and, unless for all, which priorities in its subType; how long in its answer."""
    for term in terms:
        if "clock" not in codes_in(term.get("type"), CONTRACT_TERM):
            continue
        priorities = codes_in(term.get("subType"), PRIORITY) or PRIORITIES
        for value in _values(term):
            unit = _UNITS.get(str(value.get("code"))) if isinstance(value, dict) else None
            for act in codes_in(term.get("subType"), ACT) if unit else ():
                for priority in priorities:
                    yield (act, priority), float(value.get("value", 0)) * (unit or timedelta(0))


def _codings(terms: Iterable[Json], kind: str) -> list[str]:
    return [v["code"] for v in _answers(terms, kind) if isinstance(v, dict) and v.get("system") == DIRECTION]


def _answers(terms: Iterable[Json], kind: str) -> list[Any]:
    return [v for term in terms if kind in codes_in(term.get("type"), CONTRACT_TERM) for v in _values(term)]


def _values(term: Json) -> Iterator[Any]:
    for answer in term.get("offer", {}).get("answer", ()):
        yield from (value for name, value in answer.items() if name.startswith("value"))
