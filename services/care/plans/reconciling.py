"""Two plans for one elder, the hospital's for the time after and the home's own, line by line: what is the same, what differs, what people must decide.

Pure: what it is made of is read by the operation (services/care/operations/reconcile.py). docs/care-plans.md
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from zlib import crc32

import msgspec

from services.care.plans.lines import Kind, Line, is_allergic, name_of

Json = dict[str, Any]
Verdict = Literal["kept", "new", "changed", "stopped", "conflict"]
Answer = Literal["continue", "stop", "changed", "new"]
Reason = Literal["", "dose", "timing", "target", "left-out", "twice", "allergy", "forbidden"]

ANSWERS: Final[Mapping[Verdict, frozenset[Answer]]] = {
    "kept": frozenset({"continue", "stop"}),
    "new": frozenset({"new", "stop"}),
    "changed": frozenset({"changed", "continue", "stop"}),
    "stopped": frozenset({"stop", "continue"}),
    "conflict": frozenset({"continue", "changed", "new", "stop"}),
}
_DIFFERS: Final[Mapping[Kind, Reason]] = {"medication": "dose", "activity": "timing"}


class Compared(msgspec.Struct, frozen=True):
    """One line. `proposed` is the answer that stands unless people say another one; empty: they have to."""

    id: str
    kind: Kind
    verdict: Verdict
    reason: Reason
    proposed: Answer | Literal[""]
    home: Line | None
    hospital: Line | None

    @property
    def line(self) -> Line:
        found = self.hospital or self.home
        assert found is not None  # noqa: S101 - a line stands in one of the plans
        return found


class Decided(msgspec.Struct, frozen=True):
    """A line with its answer; `note` is what people said of it, `is_own` that they answered themselves."""

    compared: Compared
    answer: Answer | Literal[""]
    note: str = ""
    is_own: bool = False

    @property
    def stays(self) -> Line | None:
        """What the new plan has of it: the home's line as it was, the hospital's, or nothing."""
        if self.answer == "stop":
            return None
        if self.answer == "continue":
            return self.compared.home or self.compared.hospital
        return self.compared.hospital or self.compared.home


def compare(home: Sequence[Line], hospital: Sequence[Line], allergies: Sequence[Json]) -> list[Compared]:
    """Every line of both once, the home's first."""
    kinds: tuple[Kind, ...] = ("medication", "activity", "goal")
    return [found for kind in kinds for found in _of_kind(kind, home, hospital, allergies)]


def decide(compared: Iterable[Compared], answers: Mapping[str, tuple[Answer, str]]) -> list[Decided]:
    return [
        Decided(each, answers[each.id][0], answers[each.id][1], is_own=True)
        if each.id in answers
        else Decided(each, each.proposed)
        for each in compared
    ]


def _of_kind(
    kind: Kind, home: Sequence[Line], hospital: Sequence[Line], allergies: Sequence[Json]
) -> Iterator[Compared]:
    ours = [each for each in home if each.kind == kind]
    theirs = [each for each in hospital if each.kind == kind]
    for key in dict.fromkeys(each.key for each in (*ours, *theirs)):
        yield from _of_key(kind, [e for e in ours if e.key == key], [e for e in theirs if e.key == key], allergies)


def _of_key(kind: Kind, ours: list[Line], theirs: list[Line], allergies: Sequence[Json]) -> Iterator[Compared]:
    if len({each.terms for each in ours}) > 1 or len({each.terms for each in theirs}) > 1:
        # the same thing twice, and not the same way: nobody but people can say which
        yield from (_made(kind, "conflict", "twice", "", each, None) for each in ours)
        yield from (_made(kind, "conflict", "twice", "", None, each) for each in theirs)
        return
    # what stands twice in the same words is answered twice, as each may have to be
    for n in range(max(len(ours), len(theirs))):
        mine, other = (each[min(n, len(each) - 1)] if each else None for each in (ours, theirs))
        yield _compared(kind, mine, other, allergies)


def _compared(kind: Kind, ours: Line | None, theirs: Line | None, allergies: Sequence[Json]) -> Compared:
    active = theirs if theirs is not None and not theirs.is_stopped else None
    own = ours if ours is not None and not ours.is_stopped else None
    if active is not None:
        return _to_be_done(kind, own, active, ours, allergies)
    if theirs is not None:
        return _told_to_stop(kind, ours, theirs, is_done=own is not None)
    if own is None:
        return _made(kind, "stopped", "", "stop", ours, None)
    # a hospital's list of medication is whole, its plan of care is not
    if kind == "medication":
        return _made(kind, "stopped", "left-out", "", ours, None)
    return _made(kind, "kept", "", "continue", ours, None)


def _to_be_done(kind: Kind, own: Line | None, active: Line, ours: Line | None, allergies: Sequence[Json]) -> Compared:
    if kind == "medication" and is_allergic(active, allergies):
        return _made(kind, "conflict", "allergy", "", ours, active)
    if own is None:
        return _made(kind, "new", "", "new", ours, active)
    if own.terms == active.terms:
        return _made(kind, "kept", "", "continue", ours, active)
    if kind == "goal":
        return _made(kind, "conflict", "target", "", ours, active)
    return _made(kind, "changed", _DIFFERS[kind], "changed", ours, active)


def _told_to_stop(kind: Kind, ours: Line | None, theirs: Line, *, is_done: bool) -> Compared:
    """A medicine that the hospital has stopped is stopped; care that it forbids and the home gives is for both to talk about."""
    if is_done and kind != "medication":
        return _made(kind, "conflict", "forbidden", "", ours, theirs)
    return _made(kind, "stopped", "", "stop", ours, theirs)


def _made(
    kind: Kind, verdict: Verdict, reason: Reason, proposed: Answer | Literal[""], ours: Line | None, theirs: Line | None
) -> Compared:
    """The name follows from what the line says, so that it is the same whenever the same is compared."""
    places = [each.place for each in (ours, theirs) if each is not None and each.kind == "medication"]
    said = f"{kind} {(theirs or ours or _NOTHING).key} {' '.join(places)} {verdict}"
    return Compared(f"{kind}-{crc32(said.encode()):08x}", kind, verdict, reason, proposed, ours, theirs)


_NOTHING: Final = Line("activity", "", "", "", {})


def words(compared: Compared) -> tuple[str, str]:
    """The home's line and the hospital's, for people; empty where there is none."""
    home, hospital = (name_of(each) if each else "" for each in (compared.home, compared.hospital))
    return home, hospital
