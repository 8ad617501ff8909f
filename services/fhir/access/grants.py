"""What opens a basis for a patient, and what of it counts (docs/adr/0011).

A rule of a service derives `Opening`s from a resource; `settled` decides at the commit which of them become grants: nobody grants a
basis to itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from services.fhir.access.consent import Denial

Json = dict[str, Any]
Basis = Literal[
    "registration", "register", "consent", "episode-of-care", "encounter", "care-team", "contract",
    "referral", "referral-task", "referral-package", "referral-return", "booking", "booked-patient", "emergency", "break-glass",
]  # fmt: skip


class Opening(msgspec.Struct, frozen=True):
    """A basis of one organization for one patient; None of types, purposes or resources limits nothing.

    `founds` tells that whoever holds it may open further bases. `is_answered` marks one that its own grantee may raise: a referral
    that it was sent and accepts.
    """

    patient: str
    organization: str
    basis: Basis
    begins: datetime
    ends: datetime | None = None
    types: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    may_write: bool = True
    founds: bool = True
    overrides: bool = False
    is_answered: bool = False

    def is_live(self, at: datetime) -> bool:
        return self.begins <= at and (self.ends is None or at < self.ends)


class Supervision(msgspec.Struct, frozen=True):
    """What `supervised` may see, `lead` may read; only `supervised` itself can say so."""

    lead: str
    supervised: str
    begins: datetime
    ends: datetime | None = None


class Opens(msgspec.Struct, frozen=True):
    """All that one version of a resource opens or denies; an empty one withdraws what earlier versions opened."""

    openings: tuple[Opening, ...] = ()
    denials: tuple[Denial, ...] = ()
    supervisions: tuple[Supervision, ...] = ()


class Moment(msgspec.Struct, frozen=True):
    """When and by whom a version is written, its id, and how long a basis outlives its end."""

    at: datetime
    organization: str
    id: str
    grace: timedelta


Rule = Callable[[Json, Moment], Opens]


def organizations(*references: Any) -> tuple[str, ...]:
    """The ids of the organizations of this server that the references name, each once."""
    named = (r.get("reference", "").rpartition("Organization/") for r in references if isinstance(r, dict))
    return tuple(dict.fromkeys(i for before, sign, i in named if sign and i and before[-1:] in ("", "/")))


def patient_in(reference: Any) -> str | None:
    text = reference.get("reference", "") if isinstance(reference, dict) else ""
    kind, _, patient = text.partition("/_history/")[0].rpartition("/")
    return patient if kind.rpartition("/")[2] == "Patient" else None


def name_in(reference: Any) -> str | None:
    """`Type/id` of a literal reference."""
    parts = (
        (reference.get("reference", "") if isinstance(reference, dict) else "").partition("/_history/")[0].split("/")
    )
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-2][:1].isupper() else None


def instant_of(text: Any) -> datetime | None:
    """The instant of a dateTime with a zone; None for one that says less."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def end_of(period: Any, moment: Moment, *, is_over: bool) -> datetime | None:
    """When a basis ends: after the period, or from now where it is over, and a while later; never, where nothing says so."""
    named = instant_of((period or {}).get("end"))
    if is_over:
        return min(named or moment.at, moment.at) + moment.grace
    return named + moment.grace if named else None


def settled(
    openings: Sequence[Opening], before: Sequence[Opening], *, is_founder: Callable[[str], bool], moment: Moment
) -> list[Opening]:
    """Which openings count: those of a writer who has a basis of its own for the patient, and what was granted before as far as it goes.

    `before` are the grants of the same resource. An end that has come does not move.
    """
    counted = []
    for opening in openings:
        same = [g for g in before if (g.patient, g.organization) == (opening.patient, opening.organization)]
        earlier = next((g for g in same if g.basis == opening.basis), None)
        if is_founder(opening.patient) or (
            opening.is_answered and opening.organization == moment.organization and _is_live(same, moment.at)
        ):
            counted.append(_going_on(opening, earlier, moment.at))
        elif earlier is not None and earlier.is_live(moment.at):
            counted.append(_within(opening, earlier, moment.at))
    return counted


def _is_live(grants: Sequence[Opening], at: datetime) -> bool:
    return any(g.is_live(at) for g in grants)


def _going_on(opening: Opening, earlier: Opening | None, at: datetime) -> Opening:
    """What is open already began when it did; so most versions change no grant at all."""
    if earlier is None:
        return opening
    ends = min(opening.ends, earlier.ends) if opening.ends and earlier.ends else opening.ends
    return msgspec.structs.replace(opening, begins=_beginning(opening, earlier, at), ends=ends)


def _beginning(opening: Opening, earlier: Opening, at: datetime) -> datetime:
    """What is to begin later than now is not open until then."""
    return earlier.begins if opening.begins <= at and earlier.is_live(at) else opening.begins


def _within(opening: Opening, earlier: Opening, at: datetime) -> Opening:
    ends = min((e for e in (opening.ends, earlier.ends) if e is not None), default=None)
    return msgspec.structs.replace(
        opening,
        begins=_beginning(opening, earlier, at),
        ends=ends,
        types=_both(opening.types, earlier.types),
        purposes=_both(opening.purposes, earlier.purposes),
        resources=_both(opening.resources, earlier.resources),
        may_write=opening.may_write and earlier.may_write,
        founds=opening.founds and earlier.founds,
        overrides=opening.overrides and earlier.overrides,
    )


def _both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return one if other is None else other
    return tuple(each for each in one if each in other)
