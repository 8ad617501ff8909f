"""The clocks of a referral: defaults as data, overridden by the agreement; what has run is kept in the Task (docs/referral-workflow.md).

No national document names minutes: every figure here is a default of configuration. Routine clocks count working hours.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from services.referral.calendar import Calendar
from services.referral.codes import CLOCK_EXTENSION
from services.referral.states import EXPECTED, PRESENT, WAITING

Json = dict[str, Any]
Terms = Mapping[tuple[str, str], timedelta]
"""Clocks of an agreement, by act and priority."""

PRIORITIES: Final = ("stat", "asap", "urgent", "routine")
_M, _H, _D = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEFAULTS: Final[Mapping[str, tuple[timedelta | None, ...]]] = {
    # act             stat      asap      urgent    routine
    "receive":       (5 * _M,   15 * _M,  1 * _H,   8 * _H),
    "answer":        (24 * _H,  24 * _H,  24 * _H,  24 * _H),
    "accept":        (15 * _M,  1 * _H,   4 * _H,   24 * _H),
    "schedule":      (None,     None,     None,     24 * _H),
    "arrive":        (1 * _H,   24 * _H,  24 * _H,  72 * _H),
    "no-show":       (2 * _H,   2 * _H,   2 * _H,   2 * _H),
    "feedback":      (72 * _H,  72 * _H,  72 * _H,  72 * _H),
    "acknowledge":   (14 * _D,  14 * _D,  14 * _D,  7 * _D),
    "complete":      (24 * _H,  24 * _H,  24 * _H,  24 * _H),
}  # fmt: skip
WORKING: Final = frozenset({"receive", "answer", "accept", "schedule", "expire"})
"""The clocks that count working hours where the priority is routine."""
EXPIRES_AFTER: Final = 2
"""Times the clock of `accept`, and never later than LONGEST; both of the same kind of hours."""
LONGEST: Final = 72 * _H
HALF, FULL = 50, 100


class Running(msgspec.Struct, frozen=True):
    """What the server keeps of the clocks in the Task: nothing here is a client's (I8).

    `submitted` and `since` are when the referral was sent and when its state began, `paused` the seconds that the clock of acceptance stood still.
    """

    submitted: datetime | None = None
    since: datetime | None = None
    asked: datetime | None = None
    arrived: datetime | None = None
    window: datetime | None = None
    complete: datetime | None = None
    paused: int = 0
    asks: int = 0
    rebookings: int = 0
    escalated: int = 0
    flagged: int = 0
    resumes: str = ""
    agreement: str = ""
    places: str = ""


class Timer(NamedTuple):
    """An act of the platform clock, and when it is due."""

    act: str
    due: datetime


class Rules(msgspec.Struct, frozen=True):
    """How long each clock of one referral is, and in which hours."""

    priority: str
    is_down: bool
    terms: Terms
    calendar: Calendar

    def length(self, act: str) -> timedelta | None:
        place = PRIORITIES.index(self.priority)
        if act == "expire":
            accept = self.length("accept")
            return None if self.priority == "stat" or accept is None else min(EXPIRES_AFTER * accept, LONGEST)
        return self.terms.get((act, self.priority), DEFAULTS[act][place])

    def add(self, act: str, start: datetime, length: timedelta) -> datetime:
        if self.priority == "routine" and act in WORKING:
            return self.calendar.add(start, length)
        return (start + length).astimezone(self.calendar.zone)

    def due(self, act: str, start: datetime, more: timedelta = timedelta(0)) -> datetime | None:
        length = self.length(act)
        return None if length is None else self.add(act, start, length + more)

    def passed(self, act: str, start: datetime, end: datetime) -> timedelta:
        if self.priority == "routine" and act in WORKING:
            return self.calendar.between(start, end)
        return max(end - start, timedelta(0))


class Span(NamedTuple):
    """The clock that runs in a state."""

    act: str
    start: datetime
    due: datetime


def rules_of(priority: str | None, direction: str | None, terms: Terms, calendar: Calendar) -> Rules:
    known = priority if priority in PRIORITIES else "routine"
    return Rules(known, direction == "down", terms, calendar)


def span(state: str, running: Running, rules: Rules) -> Span | None:
    """What is due next, and since when: the deadline is its end."""
    act, start, due = "", running.since, None
    if state == "submitted" and running.submitted:
        act, start, due = "receive", running.submitted, rules.due("receive", running.submitted)
    elif state == "received" and running.submitted:
        act, start = "accept", running.submitted
        due = rules.due("accept", running.submitted, timedelta(seconds=running.paused))
    elif state == "info-requested" and running.asked:
        act, start, due = "answer", running.asked, rules.due("answer", running.asked)
    elif state == "accepted" and running.since and rules.length("schedule"):
        act, due = "schedule", rules.due("schedule", running.since)
    elif state in EXPECTED:
        act, due = "arrive", running.window
    elif state in PRESENT and rules.is_down and running.arrived:
        act, start, due = "feedback", running.arrived, rules.due("feedback", running.arrived)
    elif state == "feedback-sent" and running.since:
        act, due = "acknowledge", rules.due("acknowledge", running.since)
    return Span(act, start, due) if start and due else None


def timers(state: str, running: Running, rules: Rules) -> tuple[Timer, ...]:
    """What the platform clock does if nobody acts before."""
    found = [_escalation(state, running, rules), _expiry(state, running, rules), _no_show(state, running, rules)]
    if running.complete and not running.flagged and state in WAITING | EXPECTED | PRESENT | {"no-show"}:
        found.append(Timer("flag", running.complete))
    return tuple(timer for timer in found if timer)


def may_tick(state: str, running: Running) -> bool:
    """Can there be timers in this state, whatever the agreement says?"""
    return state in WAITING | EXPECTED or bool(running.complete and not running.flagged)


def _escalation(state: str, running: Running, rules: Rules) -> Timer | None:
    """At 50 % and at 100 % of the clock, once each."""
    if state not in {"submitted", "received", "accepted"} or running.escalated >= FULL:
        return None
    runs = span(state, running, rules)
    if runs is None:
        return None
    if running.escalated >= HALF:
        return Timer("escalate", runs.due)
    return Timer("escalate", rules.add(runs.act, runs.start, rules.passed(runs.act, runs.start, runs.due) / 2))


def _expiry(state: str, running: Running, rules: Rules) -> Timer | None:
    if state not in WAITING:
        return None
    start = running.asked if state == "info-requested" else running.submitted
    more = timedelta(0) if state == "info-requested" else timedelta(seconds=running.paused)
    due = rules.due("expire", start, more) if start else None
    return Timer("expire", due) if due else None


def _no_show(state: str, running: Running, rules: Rules) -> Timer | None:
    if state not in EXPECTED or running.window is None:
        return None
    due = rules.due("no-show", running.window)
    return Timer("no-show", due) if due else None


def clock_of(task: Json | None) -> Running:
    """What the Task keeps of its clocks."""
    for extension in (task or {}).get("extension", ()):
        if extension.get("url") == CLOCK_EXTENSION:
            parts = {e["url"]: _value(e) for e in extension.get("extension", ()) if e.get("url") in _FIELDS}
            return Running(**parts)
    return Running()


def with_clock(task: Json, running: Running) -> Json:
    """The Task with what is kept of its clocks, and nothing that a client said of them."""
    others = [e for e in task.get("extension", ()) if e.get("url") != CLOCK_EXTENSION]
    parts = [{"url": name, **_written(value)} for name, value in msgspec.structs.asdict(running).items() if value]
    own = [{"url": CLOCK_EXTENSION, "extension": parts}] if parts else []
    kept = {name: value for name, value in task.items() if name != "extension"}
    return kept | ({"extension": [*others, *own]} if others or own else {})


_FIELDS: Final = frozenset(Running.__struct_fields__)


def _value(extension: Json) -> Any:
    if "valueInstant" in extension:
        return datetime.fromisoformat(extension["valueInstant"])
    return extension["valueInteger"] if "valueInteger" in extension else extension.get("valueCode", "")


def _written(value: Any) -> Json:
    if isinstance(value, datetime):
        return {"valueInstant": value.isoformat()}
    return {"valueCode": value} if isinstance(value, str) else {"valueInteger": value}
