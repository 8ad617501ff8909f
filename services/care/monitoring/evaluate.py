"""What readings mean by a rule, now: pure, and the same whatever order they came in, late or twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.care.monitoring.rule import Bound, Event, Measure, Missing, Quiet, Reading, Rule, State, Threshold, Trend
from services.fhir.ucum import canonical, unit

Reason = Literal["no-unit", "other-unit", "in-the-future", "repeated"]

AHEAD: Final = timedelta(minutes=5)
"""How far the clock of a device may run before ours."""


class Unusable(msgspec.Struct, frozen=True):
    """A reading that no rule may count, and why."""

    id: str
    reason: Reason


class Finding(msgspec.Struct, frozen=True):
    """`evidence` names the Observations that say so; `tell_at` is when people are told of an alert that is raised."""

    state: State
    evidence: tuple[str, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    tell_at: datetime | None = None


class _Told(msgspec.Struct, frozen=True):
    """Whether the readings breach the rule, whether they are back, and which ones say so."""

    is_breached: bool
    is_back: bool
    by: tuple[str, ...]


def evaluate(rule: Rule, readings: Iterable[Reading], now: datetime, *, is_open: bool) -> Finding:
    """There is one open alert for each rule and patient: it is raised once, and over only when the readings are back."""
    ordered = sorted(dict.fromkeys(readings), key=lambda each: (each.at, each.id))
    firsts: dict[tuple[str, datetime, Decimal, str], str] = {}
    for each in ordered:
        firsts.setdefault((each.code, each.at, each.value, each.unit), each.id)
    looked_at = {each: unusable_for(each, rule, now) or _repeated(each, firsts) for each in ordered}
    unusable = tuple(problem for problem in looked_at.values() if problem)
    usable = [each for each, problem in looked_at.items() if not problem]
    told = _told(rule, usable, now)
    if is_open:
        return Finding("clear" if told.is_back else "keep", told.by, unusable)
    if not told.is_breached:
        return Finding("normal", (), unusable)
    return Finding("raise", told.by, unusable, after_quiet(rule.quiet, now))


def _repeated(reading: Reading, firsts: Mapping[tuple[str, datetime, Decimal, str], str]) -> Unusable | None:
    """The same value of the same instant is one reading, however often it was sent."""
    first = firsts[reading.code, reading.at, reading.value, reading.unit]
    return None if first == reading.id else Unusable(reading.id, "repeated")


def _told(rule: Rule, readings: Sequence[Reading], now: datetime) -> _Told:
    match rule:
        case Threshold():
            told = [_by_bound(bound, rule, [*_of(bound, readings)]) for bound in rule.bounds]
            breached = [each for each in told if each.is_breached]
            by = tuple(dict.fromkeys(name for each in breached or told for name in each.by))
            return _Told(bool(breached), all(each.is_back for each in told), by)
        case Trend():
            return _by_trend(rule, [*_of(rule.measure, readings)])
        case Missing():
            return _by_absence(rule, [*_of(rule.measure, readings)], now)
        case Event():
            return _Told(is_breached=False, is_back=False, by=())


def _by_bound(bound: Bound, rule: Threshold, readings: Sequence[tuple[Reading, Decimal]]) -> _Told:
    """A bound of which there is no reading says nothing, and holds nothing open."""
    if not readings:
        return _Told(is_breached=False, is_back=True, by=())
    last, value = readings[-1]
    lasting = _lasting(bound, rule, readings)
    return _Told(bool(lasting), bound.is_back(value), tuple(each.id for each in lasting or (last,)))


def _lasting(bound: Bound, rule: Threshold, readings: Sequence[tuple[Reading, Decimal]]) -> tuple[Reading, ...]:
    """The newest ones without a break, as far back as the rule asks for; none where they are too few or too short a while."""
    lasting: list[Reading] = []
    for each, value in reversed(readings):
        if not bound.is_breached(value):
            return ()
        lasting.append(each)
        if len(lasting) >= rule.readings and lasting[0].at - each.at >= timedelta(minutes=rule.minutes):
            return tuple(reversed(lasting))
    return ()


def _by_trend(rule: Trend, readings: Sequence[tuple[Reading, Decimal]]) -> _Told:
    if not readings:
        return _Told(is_breached=False, is_back=True, by=())
    newest, value = readings[-1]
    before = [each for each in readings if each[0].at >= newest.at - timedelta(hours=rule.hours)]
    lowest, highest = min(before, key=lambda each: each[1]), max(before, key=lambda each: each[1])
    if rule.rise is not None and value - lowest[1] >= rule.rise:
        return _Told(is_breached=True, is_back=False, by=(lowest[0].id, newest.id))
    if rule.fall is not None and highest[1] - value >= rule.fall:
        return _Told(is_breached=True, is_back=False, by=(highest[0].id, newest.id))
    return _Told(is_breached=False, is_back=True, by=(newest.id,))


def _by_absence(rule: Missing, readings: Sequence[tuple[Reading, Decimal]], now: datetime) -> _Told:
    is_missing = not readings or now - readings[-1][0].at >= timedelta(hours=rule.hours)
    return _Told(is_missing, not is_missing, tuple(each.id for each, _ in readings[-1:]))


def _of(measure: Measure, readings: Iterable[Reading]) -> Iterator[tuple[Reading, Decimal]]:
    """Those of the measure, in its unit."""
    for each in readings:
        if each.code in measure.codes:
            yield each, in_unit(each, measure.unit)


def in_unit(reading: Reading, to: str) -> Decimal:
    """Exact where the units are the same, which is nearly always."""
    if reading.unit == to:
        return reading.value
    source, target = unit(reading.unit), unit(to)
    assert source is not None  # noqa: S101 - looked at by unusable_for
    assert target is not None  # noqa: S101 - looked at when the rule was read
    in_base = canonical(reading.value, source)
    factor = Decimal(target.factor.numerator) / Decimal(target.factor.denominator)
    offset = Decimal(target.offset.numerator) / Decimal(target.offset.denominator)
    return in_base / factor - offset


def unusable_for(reading: Reading, rule: Rule, now: datetime) -> Unusable | None:
    wanted = next((each for each in measures_of(rule) if reading.code in each.codes), None)
    if wanted is None:
        return None
    if reading.at > now + AHEAD:
        return Unusable(reading.id, "in-the-future")
    if not reading.unit:
        return Unusable(reading.id, "no-unit")
    source, target = unit(reading.unit), unit(wanted.unit)
    if reading.unit != wanted.unit and (source is None or target is None or source.dimension != target.dimension):
        return Unusable(reading.id, "other-unit")
    return None


def measures_of(rule: Rule) -> tuple[Measure, ...]:
    if isinstance(rule, Threshold):
        return rule.bounds
    return () if isinstance(rule, Event) else (rule.measure,)


def after_quiet(quiet: Quiet | None, now: datetime) -> datetime:
    """Now, or the end of the quiet hours that now is in; in the zone of `now`."""
    if quiet is None:
        return now
    clock = now.timetz().replace(tzinfo=None)
    past_midnight = quiet.to <= quiet.from_
    is_late = clock >= quiet.from_
    is_quiet = (is_late or clock < quiet.to) if past_midnight else quiet.from_ <= clock < quiet.to
    if not is_quiet:
        return now
    day = now.date() + timedelta(days=1 if past_midnight and is_late else 0)
    return datetime.combine(day, quiet.to, now.tzinfo)
