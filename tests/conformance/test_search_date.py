"""Date parameters: http://hl7.org/fhir/R4/search.html#date, compared with a small reading of the prefixes in plain Python"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import pytest

from tests.builders import coded, encounter, observation, patient
from tests.matchers import assert_outcome
from tests.shelf import Shelf

Range = tuple[datetime, datetime]

SHANGHAI: Final = timezone(timedelta(hours=8))
FIRST, LAST = datetime(1, 1, 2, tzinfo=SHANGHAI), datetime(9999, 12, 30, tzinfo=SHANGHAI)


def span(text: str) -> Range:
    """The range of instants that a date means; Shanghai where no zone is given."""
    if len(text) <= 7:
        year, month = int(text[:4]), int(text[5:7] or 1)
        months = 12 if len(text) == 4 else 1
        after = datetime(year + (month + months - 1) // 12, (month + months - 1) % 12 + 1, 1, tzinfo=SHANGHAI)
        return datetime(year, month, 1, tzinfo=SHANGHAI), after
    start = datetime.fromisoformat(text)
    start = start if start.tzinfo else start.replace(tzinfo=SHANGHAI)
    clock = text[11:].removesuffix("Z").split("+")[0].split("-")[0]
    width = {0: timedelta(days=1), 5: timedelta(minutes=1), 8: timedelta(seconds=1), 12: timedelta(milliseconds=1)}
    return start, start + width[len(clock)]


def period(start: str = "", end: str = "") -> Range:
    return span(start)[0] if start else FIRST, span(end)[1] if end else LAST


PREFIXES: Final[dict[str, Callable[[Range, Range], bool]]] = {
    # prefix     search, target
    "": lambda s, t: s[0] <= t[0] and t[1] <= s[1],
    "eq": lambda s, t: s[0] <= t[0] and t[1] <= s[1],
    "ne": lambda s, t: not (s[0] <= t[0] and t[1] <= s[1]),
    "gt": lambda s, t: t[1] > s[1],
    "lt": lambda s, t: t[0] < s[0],
    "ge": lambda s, t: t[1] > s[1] or s[0] <= t[0],
    "le": lambda s, t: t[0] < s[0] or t[1] <= s[1],
    "sa": lambda s, t: t[0] >= s[1],
    "eb": lambda s, t: t[1] <= s[0],
}
DATES: Final = (
    "1980",
    "2024",
    "2024-04",
    "2024-05",
    "2024-12",
    "2024-04-30",
    "2024-05-01",
    "2024-05-31",
    "2024-05-01T00:00:00+08:00",
    "2024-05-01T08:30:00+08:00",
    "2024-05-01T00:30:00Z",
    "2024-05-01T08:30:00.500+08:00",
    "2024-04-30T23:59:59-04:00",
    "2024-05-31T23:59:59+08:00",
)
PERIODS: Final = (
    ("2024-05-01", "2024-05-31"),
    ("2024-04", "2024-05-01T08:30:00+08:00"),
    ("2024-05-01T08:30:00+08:00", "2024-05-01T09:00:00+08:00"),
    ("2024-05", ""),
    ("", "2024-05-01"),
    ("1980", "2025"),
)
SEARCHED: Final = (*DATES, "2024-05-01T08:30", "2024-05-01T08:30:00", "2023", "2025", "2024-06-01")


@pytest.fixture
async def dated(shelf: Shelf) -> tuple[Shelf, dict[str, list[Range]]]:
    """Observations at instants, days, months, years and periods, with the ranges of their values."""
    moments = {f"at {text}": observation(effectiveDateTime=text) for text in DATES}
    periods = {
        f"from {start} to {end}": observation(effectiveDateTime=None, effectivePeriod=_ends(start, end))
        for start, end in PERIODS
    }
    await shelf.put(**moments, **periods, never=observation(effectiveDateTime=None))
    return shelf, {f"at {d}": [span(d)] for d in DATES} | {f"from {s} to {e}": [period(s, e)] for s, e in PERIODS}


def _ends(start: str, end: str) -> dict[str, str]:
    return {name: text for name, text in (("start", start), ("end", end)) if text}


def expected(prefix: str, text: str, ranges: dict[str, list[Range]]) -> set[str]:
    matches = PREFIXES[prefix]
    return {name for name, each in ranges.items() if any(matches(span(text), target) for target in each)}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_prefix_against_instants_days_months_and_periods(dated: Any, prefix: str) -> None:
    """http://hl7.org/fhir/R4/search.html#prefix: ranges against ranges; a missing end of a period is open."""
    shelf, ranges = dated
    for text in SEARCHED:
        found = await shelf.found("Observation", f"date={prefix}{text.replace('+', '%2B')}")
        assert found == expected(prefix, text, ranges), f"date={prefix}{text}"


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_prefix_against_repeated_periods(shelf: Shelf, prefix: str) -> None:
    """http://hl7.org/fhir/R4/search.html#prefix: of several values one must match."""
    stays: dict[str, tuple[tuple[str, str], ...]] = {
        "one": (("2024-05-01", "2024-05-02"),),
        "two": (("2024-01-01", "2024-01-02"), ("2024-12-01", "2024-12-31")),
        "open": (("", "2024-02"), ("2024-11", "")),
        "nested": (("2024", "2024"), ("2024-05-01", "2024-05-01")),
    }
    await shelf.put(**{name: _stays(each) for name, each in stays.items()}, none=encounter())
    ranges = {name: [period(*each) for each in periods] for name, periods in stays.items()}
    for text in ("2024", "2024-01", "2024-03", "2024-05-01", "2024-11", "2024-12-15", "2025", "2023"):
        found = await shelf.found("Encounter", f"location-period={prefix}{text}")
        assert found == expected(prefix, text, ranges), f"location-period={prefix}{text}"


def _stays(periods: Iterable[tuple[str, str]]) -> dict[str, Any]:
    where = {"reference": "Location/ward"}
    return encounter(location=[{"location": where, "period": _ends(*each)} for each in periods])


async def test_a_month_is_not_found_by_a_day_of_it_but_by_its_year(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#prefix: the search's range must contain the target's."""
    await shelf.put(vague=patient(birthDate="1980-05"), exact=patient(birthDate="1980-05-11"))
    assert await shelf.found("Patient", "birthdate=1980-05-11") == {"exact"}
    assert await shelf.found("Patient", "birthdate=1980-05") == {"vague", "exact"}
    assert await shelf.found("Patient", "birthdate=1980") == {"vague", "exact"}


async def test_a_birth_date_never_shifts(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#date: a value without zone means the server's; here Asia/Shanghai [ours]."""
    await shelf.put(
        first=patient(birthDate="1931-05-01"),
        last=patient(birthDate="1931-04-30"),
        summer=patient(birthDate="1988-07-01"),
    )
    assert await shelf.found("Patient", "birthdate=1931-05-01") == {"first"}
    assert await shelf.found("Patient", "birthdate=1931-05") == {"first"}
    assert await shelf.found("Patient", "birthdate=1931-04-30") == {"last"}
    assert await shelf.found("Patient", "birthdate=1988-07-01") == {"summer"}


async def test_several_values_are_alternatives_and_several_parameters_a_range(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#combining"""
    days = {f"day {n}": observation(effectiveDateTime=f"2024-05-0{n}") for n in range(1, 7)}
    await shelf.put(**days)
    assert await shelf.listed("Observation", "date=ge2024-05-02&date=lt2024-05-04&_sort=date") == ["day 2", "day 3"]
    assert await shelf.found("Observation", "date=2024-05-01,2024-05-06,gt2024-06") == {"day 1", "day 6"}
    assert await shelf.found("Observation", "date:missing=true") == set()


async def test_about_a_date_is_within_a_tenth_of_its_distance_to_now(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#prefix: `ap` is within 10 % of the time from then to now."""
    await shelf.put(near=patient(birthDate="1930-06-01"), far=patient(birthDate="1950-01-01"), none=patient())
    assert await shelf.found("Patient", "birthdate=ap1931") == {"near"}
    assert await shelf.found("Patient", "birthdate=ap1946") == {"far"}


async def test_a_timing_lies_between_its_first_and_last_event(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#date: a Timing is its outer bounds."""
    events = {"event": ["2024-05-01T08:00:00+08:00", "2024-05-03T08:00:00+08:00"]}
    await shelf.put(timed=observation(effectiveDateTime=None, effectiveTiming=events))
    assert await shelf.found("Observation", "date=2024-05") == {"timed"}
    assert await shelf.found("Observation", "date=2024-05-01") == set()
    assert await shelf.found("Observation", "date=gt2024-05-02") == {"timed"}
    assert await shelf.found("Observation", "date=sa2024-05-02") == set()


async def test_last_updated_is_searched_like_any_instant(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#lastUpdated"""
    await shelf.put(one=patient())
    moment = shelf.stored["one"]["meta"]["lastUpdated"]
    for prefix, is_found in (
        ("", True),
        ("ge", True),
        ("le", True),
        ("gt", False),
        ("lt", False),
        ("sa", False),
        ("eb", False),
        ("ne", False),
    ):
        assert await shelf.found("Patient", f"_lastUpdated={prefix}{moment}") == ({"one"} if is_found else set()), (
            prefix
        )
    assert await shelf.found("Patient", "_lastUpdated=gt2020&_lastUpdated=lt9999") == {"one"}
    assert await shelf.found("Patient", "_lastUpdated=1999,2000") == set()


async def test_a_plus_that_was_not_encoded_is_still_a_zone(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#escaping: clients SHALL encode; those that forget meant `+`."""
    await shelf.put(one=observation(effectiveDateTime="2024-05-01T08:00:00+08:00"))
    assert await shelf.found("Observation", "date=2024-05-01T08:00:00+08:00") == {"one"}


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "2024-5",
        "2024-13",
        "2024-02-30",
        "2024-05-01T25:00",
        "2024-05-01T10",
        "20240501",
        "0000",
        "10000",
        "-2024",
        "2024-",
        "eq",
        "2024-05-01T10:00:00+99:00",
        "eqeq2024",
        "２０２４",
    ],
)
async def test_what_is_no_date_is_refused(shelf: Shelf, value: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    assert_outcome(await shelf.fhir.get(shelf.path("Observation", f"date={value}")), 400, "value")


@pytest.mark.parametrize(
    "value",
    [
        "0001",
        "9999",
        "0001-01-01",
        "9999-12-31",
        "9999-12",
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59.999-12:00",
    ],
)
@pytest.mark.parametrize("prefix", [*PREFIXES, "ap"])
async def test_the_ends_of_the_calendar_are_dates_like_others(shelf: Shelf, prefix: str, value: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#date: years 0001 to 9999."""
    answer = await shelf.fhir.get(shelf.path("Observation", f"date={prefix}{value}"))
    assert answer.status_code == 200, answer.text


async def test_a_resource_at_the_ends_of_the_calendar_is_found(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#dateTime"""
    ends = ("0001", "9999", "0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")
    await shelf.put(
        **{text: observation(effectiveDateTime=text, code=coded("http://example.org", text)) for text in ends}
    )
    for text in ends:
        assert text in await shelf.found("Observation", f"date={text.replace('+', '%2B')}")
