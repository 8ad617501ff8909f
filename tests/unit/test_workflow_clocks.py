"""The clocks of the referral and the calendar under them (docs/referral-workflow.md)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.referral.calendar import calendar_of, is_published, parse_hours
from services.referral.clocks import (
    DEFAULTS,
    FULL,
    HALF,
    PRIORITIES,
    Rules,
    Running,
    clock_of,
    rules_of,
    span,
    timers,
    with_clock,
)
from services.referral.states import STATES

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = calendar_of(ZONE, "08:30-12:00,14:30-19:00")
MONDAY = datetime(2026, 11, 23, 9, tzinfo=ZONE)
H, M = timedelta(hours=1), timedelta(minutes=1)


def rules(priority: str, **terms: timedelta) -> Rules:
    return rules_of(priority, "up", {(act, priority): length for act, length in terms.items()}, CALENDAR)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ((2026, 11, 23), True),  # a Monday
        ((2026, 11, 28), False),  # a Saturday
        ((2026, 2, 28), True),  # a Saturday moved 调休
        ((2026, 2, 17), False),  # 春节
        ((2025, 10, 11), True),
        ((2025, 10, 8), False),
        ((2026, 9, 25), False),  # 中秋
        ((2026, 9, 20), True),  # a Sunday
        ((2027, 10, 1), False),  # statutory, though the year is not published
    ],
)
def test_days_off_and_moved_working_days_are_known(day: tuple[int, int, int], works: bool) -> None:  # noqa: FBT001
    assert CALENDAR.is_working_day(date(*day)) is works


def test_it_is_told_which_year_is_published() -> None:
    assert [is_published(year) for year in (2025, 2026, 2027, 2028)] == [True, True, False, False]


def test_working_time_skips_nights_lunches_weekends_and_holidays() -> None:
    assert CALENDAR.add(MONDAY, 3 * H) == MONDAY.replace(hour=12)
    assert CALENDAR.add(MONDAY, 4 * H) == MONDAY.replace(hour=15, minute=30)
    friday = datetime(2026, 11, 27, 18, 30, tzinfo=ZONE)
    assert CALENDAR.add(friday, 1 * H) == datetime(2026, 11, 30, 9, tzinfo=ZONE)
    before_the_feast = datetime(2026, 2, 14, 18, tzinfo=ZONE)  # a working Saturday
    assert CALENDAR.add(before_the_feast, 2 * H) == datetime(2026, 2, 24, 9, 30, tzinfo=ZONE)
    at_night = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)  # two in the morning in Shanghai
    assert CALENDAR.add(at_night, 1 * H) == datetime(2026, 11, 24, 9, 30, tzinfo=ZONE)


def test_working_time_between_two_instants_is_what_was_added() -> None:
    for hours in range(1, 60):
        assert CALENDAR.between(MONDAY, CALENDAR.add(MONDAY, hours * H)) == hours * H


def test_working_hours_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        parse_hours("14:30-18:00,08:30-12:00")


def test_every_clock_has_a_default_for_every_priority() -> None:
    assert {len(lengths) for lengths in DEFAULTS.values()} == {len(PRIORITIES)}


@pytest.mark.parametrize(
    ("state", "priority", "due"),
    [
        ("submitted", "stat", 5 * M), ("submitted", "asap", 15 * M), ("submitted", "urgent", 1 * H), ("submitted", "routine", 26 * H),
        ("received", "stat", 15 * M), ("received", "asap", 1 * H), ("received", "urgent", 4 * H), ("received", "routine", 72 * H),
    ],
)  # fmt: skip
def test_the_deadline_of_a_referral_that_waits(state: str, priority: str, due: timedelta) -> None:
    """Eight working hours from nine on Monday: one on Tuesday morning is left, after 2.5 + 4.5 … of a day of eight."""
    runs = span(state, Running(submitted=MONDAY, since=MONDAY), rules(priority))
    assert runs is not None
    assert runs.due - MONDAY == {26 * H: 24 * H}.get(due, due)


def test_the_agreement_comes_before_the_defaults() -> None:
    runs = span("received", Running(submitted=MONDAY, since=MONDAY), rules("urgent", accept=30 * M))
    assert runs is not None
    assert runs.due == MONDAY + 30 * M


def test_the_clock_stands_still_while_the_placer_is_asked() -> None:
    asked = Running(submitted=MONDAY, since=MONDAY, asked=MONDAY + H)
    waiting = span("info-requested", asked, rules("urgent"))
    assert waiting is not None
    assert waiting.due == MONDAY + 25 * H
    again = span("received", Running(submitted=MONDAY, since=MONDAY, paused=3600), rules("urgent"))
    assert again is not None
    assert again.due == MONDAY + 5 * H


def test_it_escalates_at_half_and_at_the_whole_once_each() -> None:
    def due(escalated: int) -> datetime | None:
        running = Running(submitted=MONDAY, since=MONDAY, escalated=escalated)
        found = {t.act: t.due for t in timers("received", running, rules("urgent"))}
        return found.get("escalate")

    assert (due(0), due(HALF), due(FULL)) == (MONDAY + 2 * H, MONDAY + 4 * H, None)


@pytest.mark.parametrize(
    ("priority", "terms", "expires"),
    [
        ("asap", {}, MONDAY + 2 * H),
        ("urgent", {}, MONDAY + 8 * H),
        ("urgent", {"accept": 48 * H}, MONDAY + 72 * H),
        ("routine", {}, CALENDAR.add(MONDAY, 48 * H)),
    ],
)
def test_it_expires_after_twice_the_clock_of_acceptance_and_after_72_hours_at_most(
    priority: str, terms: dict[str, timedelta], expires: datetime
) -> None:
    found = {t.act: t.due for t in timers("submitted", Running(submitted=MONDAY), rules(priority, **terms))}
    assert found["expire"] == expires


def test_an_emergency_never_expires() -> None:
    for state in ("submitted", "received", "info-requested"):
        running = Running(submitted=MONDAY, since=MONDAY, asked=MONDAY, escalated=FULL)
        assert not timers(state, running, rules("stat"))


def test_who_does_not_come_is_missed_two_hours_after_the_window() -> None:
    for state in ("accepted", "scheduled", "in-transit"):
        running = Running(since=MONDAY, window=MONDAY + 24 * H)
        assert {t.act: t.due for t in timers(state, running, rules("urgent"))}["no-show"] == MONDAY + 26 * H


def test_only_the_states_that_wait_have_timers() -> None:
    running = Running(submitted=MONDAY, since=MONDAY, asked=MONDAY, arrived=MONDAY, window=MONDAY)
    waiting = {state for state in STATES if timers(state, running, rules("routine"))}
    assert waiting == {"submitted", "received", "info-requested", "accepted", "scheduled", "in-transit"}


def test_what_the_task_keeps_of_its_clocks_comes_back_and_nothing_else_is_lost() -> None:
    running = Running(submitted=MONDAY, paused=90, asks=1, resumes="paused", window=MONDAY + H)
    other = {"url": "https://example.org/other", "valueBoolean": True}
    task = with_clock({"extension": [other]}, running)
    assert clock_of(task) == running
    assert with_clock(task, Running())["extension"] == [other]
    assert "extension" not in with_clock({}, Running())
