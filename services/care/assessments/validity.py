"""From which day to which a result counts: http://hl7.org/fhir/R4/observation-definitions.html#Observation.effective_x_"""

from calendar import monthrange
from datetime import date, timedelta

from services.care.scoring.instrument import Instrument, Validity


def last_day(instrument: Instrument, assessed: date, again_after: int | None = None) -> date:
    """The last day on which it counts, which is the day the next one is due by; sooner where nothing could be decided."""
    if again_after is not None:
        return assessed + timedelta(days=again_after)
    return _after(instrument.validity, assessed) - timedelta(days=1)


def _after(validity: Validity, day: date) -> date:
    if validity.unit == "d":
        return day + timedelta(days=validity.value)
    months = day.month - 1 + validity.value
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
