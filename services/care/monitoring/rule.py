"""The form of a rule in `services/care/monitoring/definitions`; docs/monitoring.md explains each field."""

from datetime import datetime, time
from decimal import Decimal
from typing import Literal

import msgspec

from services.care.scoring.instrument import Confidence

State = Literal["normal", "raise", "keep", "clear"]
"""Nothing, or nothing yet; an alert to raise; an open one that goes on; an open one that is over."""


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What a file says and this form does not know is an error, not passed over."""


class Measure(_Form, frozen=True, kw_only=True):
    """What is measured: any of these LOINC codes, in a unit of UCUM that can be converted into this one."""

    codes: tuple[str, ...]
    unit: str


class Bound(Measure, frozen=True, kw_only=True):
    """A reading beyond the bound breaches; only one beyond `until`, the other way, is back (hysteresis)."""

    at_least: Decimal | None = None
    above: Decimal | None = None
    at_most: Decimal | None = None
    below: Decimal | None = None
    until: Decimal

    def is_breached(self, value: Decimal) -> bool:
        return (
            (self.at_least is not None and value >= self.at_least)
            or (self.above is not None and value > self.above)
            or (self.at_most is not None and value <= self.at_most)
            or (self.below is not None and value < self.below)
        )

    def is_back(self, value: Decimal) -> bool:
        return value < self.until if self.is_upper else value > self.until

    @property
    def is_upper(self) -> bool:
        return self.at_least is not None or self.above is not None


class Quiet(_Form, frozen=True, kw_only=True):
    """From one time of day to another, past midnight where that is earlier, nobody is told."""

    from_: time = msgspec.field(name="from")
    to: time


class _Rule(_Form, frozen=True, kw_only=True, tag_field="kind"):
    """`code` is one of the code system alert-rule. An urgent rule has no quiet hours.

    Who is told follows the `chain`, that of the severity where none is named. What a person has resolved while the readings are not
    back is not raised again for `rest` minutes.
    """

    code: str
    zh: str
    en: str
    source: str
    confidence: Confidence
    severity: Literal["high", "moderate", "low"]
    golden: tuple["Golden", ...] = ()
    quiet: Quiet | None = None
    chain: str = ""
    rest: int = 60


class Threshold(_Rule, frozen=True, kw_only=True, tag="threshold"):
    """Raised when the newest readings of one bound all breach it, at least `readings` of them over at least `minutes`."""

    bounds: tuple[Bound, ...]
    readings: int = 1
    minutes: int = 0


class Trend(_Rule, frozen=True, kw_only=True, tag="trend"):
    """Raised when the newest reading is `rise` more, or `fall` less, than another within `hours` before it; over when no longer so."""

    measure: Measure
    hours: int
    rise: Decimal | None = None
    fall: Decimal | None = None


class Missing(_Rule, frozen=True, kw_only=True, tag="missing"):
    """Raised when there has been no reading for `hours`; over with the next one."""

    measure: Measure
    hours: int


class Event(_Rule, frozen=True, kw_only=True, tag="event"):
    """Raised by what happens itself: a call for help, a fall, a reading that can't be counted. No reading says that it is over."""


Rule = Threshold | Trend | Missing | Event


class Reading(msgspec.Struct, frozen=True):
    """One value of one Observation; `id` names the Observation."""

    id: str
    code: str
    value: Decimal
    unit: str
    at: datetime


class Golden(_Form, frozen=True, kw_only=True):
    """A vector: readings as (minutes before now, code, value, unit), whether an alert is open, and what must come of it."""

    says: str
    readings: tuple[tuple[int, str, Decimal, str], ...]
    is_open: bool = False
    state: State
    unusable: int = 0
