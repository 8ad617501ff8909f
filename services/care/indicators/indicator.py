"""The form of an indicator in `services/care/indicators/definitions`, and of a target; docs/indicators.md lists them.

http://hl7.org/fhir/R4/measure.html
"""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.care.scoring.instrument import Confidence
from services.fhir.elements import CANONICAL

DENOMINATOR: Final = "denominator"
NUMERATOR: Final = "numerator"


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What a file says and this form does not know is an error, not passed over."""


class Reaching(_Form, frozen=True, kw_only=True):
    """Tasks that ever came to one of these business states, `minutes` after they were sent at the latest."""

    states: tuple[str, ...]
    minutes: int | None = None


class Population(_Form, frozen=True, kw_only=True):
    """What is counted: the searches' finds, of which any counts; services/fhir/store/figures.py explains the rest.

    In a search `{start}` and `{end}` are the days of the period and `{after}` the one behind it, `{today}` the last that has come of it and
    `{tomorrow}` the one behind that; `{end-65y}` is 65 years before.
    """

    zh: str
    en: str
    query: tuple[str, ...]
    by: str
    of: Literal["resources", "patients"] = "resources"
    total: Literal["days", "minutes"] | None = None
    reached: Reaching | None = None
    read_elsewhere: tuple[str, ...] = ()
    within_hours: int | None = None


class Figure(_Form, frozen=True, kw_only=True):
    """One group of a measure: a share, a mean (what is added up for each of the denominator, in `unit`), or, without a numerator, a number."""

    code: str
    zh: str
    en: str
    denominator: Population
    numerator: Population | None = None
    kind: Literal["share", "mean", "number"] = "share"
    unit: str = "1"
    better: Literal["higher", "lower"] = "higher"
    confidence: Confidence = "H"
    assumes: str = ""


class Indicator(_Form, frozen=True, kw_only=True):
    """`about` says whether small numbers tell of persons. `years` is how far it looks back, where that is more than the period asked for."""

    name: str
    version: str
    zh: str
    en: str
    source: str
    about: Literal["persons", "things"]
    groups: tuple[Figure, ...]
    years: int = 1

    @property
    def url(self) -> str:
        return f"{CANONICAL}/Measure/{self.name}"


class Target(_Form, frozen=True, kw_only=True):
    """What a figure should come to from a year on, in a division and all inside of it; the longest division counts, then the latest year."""

    measure: str
    from_: int = msgspec.field(name="from")
    group: str = ""
    division: str = ""
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    above: Decimal | None = None
    source: str = ""
    confidence: Confidence = "H"

    def is_met(self, value: Decimal) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
        )
