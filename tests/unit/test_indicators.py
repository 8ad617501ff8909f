"""Indicators as files: periods in searches, targets by year and division, and what of a wrong file is told (docs/indicators.md)."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.care.definition_files import DefinitionError
from services.care.indicators.indicator import Target
from services.care.indicators.load import load_indicators, load_targets, read_indicator
from services.care.indicators.period import Period, before, written
from services.care.indicators.targets import division_of, target_for

YEAR = Period(date(2025, 1, 1), date(2025, 12, 31), date(2026, 3, 1))
RUNNING = Period(date(2026, 1, 1), date(2026, 12, 31), date(2026, 3, 1))


@pytest.mark.parametrize(
    ("period", "query", "found"),
    [
        (YEAR, "date=ge{start}&date=lt{after}", "date=ge2025-01-01&date=lt2026-01-01"),
        (YEAR, "birthdate=le{end-65y}", "birthdate=le1960-12-31"),
        (YEAR, "{today} {tomorrow}", "2025-12-31 2026-01-01"),
        (RUNNING, "{today} {tomorrow}", "2026-03-01 2026-03-02"),
        (RUNNING, "{today-1d} {today-1y} {today-3m}", "2026-02-28 2025-03-01 2025-12-01"),
    ],
)
def test_a_search_has_the_days_of_the_period_in_it(period: Period, query: str, found: str) -> None:
    assert written(query, period) == found


def test_a_year_before_a_leap_day_is_the_28th() -> None:
    assert before(date(2024, 2, 29), 1, "y") == date(2023, 2, 28)
    assert before(date(2024, 3, 31), 1, "m") == date(2024, 2, 29)


def test_an_indicator_may_look_further_back_than_what_is_asked() -> None:
    assert YEAR.over(2) == Period(date(2024, 1, 1), date(2025, 12, 31), YEAR.now)
    assert Period(date(2020, 1, 1), date(2025, 12, 31), YEAR.now).over(2).start == date(2020, 1, 1)


TARGETS = (
    Target(measure="a", from_=2020, at_least=Decimal("0.6")),
    Target(measure="a", from_=2025, at_least=Decimal("0.7")),
    Target(measure="a", from_=2020, at_least=Decimal("0.8"), division="15"),
    Target(measure="b", from_=2020, at_most=Decimal(1)),
)


@pytest.mark.parametrize(
    ("division", "year", "least"),
    [
        ("320000", 2019, None),
        ("320000", 2024, "0.6"),
        ("320000", 2026, "0.7"),
        ("150302", 2026, "0.8"),
        ("", 2026, "0.7"),
    ],
)
def test_the_target_of_the_longest_division_counts_and_then_the_latest_year(
    division: str, year: int, least: str | None
) -> None:
    found = target_for(TARGETS, "a", "rate", division, year)
    assert (found and found.at_least) == (Decimal(least) if least else None)


def test_what_several_counties_have_in_common_is_their_division() -> None:
    assert division_of(["150302", "150304"]) == "1503"
    assert division_of(["150302"]) == "150302"
    assert division_of(["150302", ""]) == division_of([]) == ""


def test_ones_own_targets_come_before_the_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "targets.json"
    own.write_text('[{"measure": "occupancy", "from": 2025, "atLeast": "0.8", "source": "own"}]')
    found = target_for(load_targets(own), "occupancy", "rate", "150302", 2026)
    assert found is not None
    assert found.source == "own"


def test_every_target_is_of_an_indicator_that_is_there() -> None:
    groups = {(each.name, group.code) for each in load_indicators().values() for group in each.groups}
    for target in load_targets():
        assert any(target.measure == name and target.group in ("", code) for name, code in groups)


def changed(tmp_path: Path, **changes: Any) -> Path:
    count = {"zh": "老人", "en": "Elders", "query": ["Patient?active=true"], "by": "organization"}
    group = {
        "code": "rate",
        "zh": "率",
        "en": "Rate",
        "denominator": count,
        "numerator": count | changes.pop("numerator", {}),
    }
    own = {
        "name": "own",
        "version": "1",
        "zh": "指标",
        "en": "Own",
        "source": "x",
        "about": "persons",
        "groups": [group],
    }
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own | changes))
    return file


def test_a_folder_of_ones_own_adds_an_indicator(tmp_path: Path) -> None:
    changed(tmp_path)
    assert {"own", "occupancy"} <= {*load_indicators(tmp_path)}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "another"}, "must be called another.json"),
        ({"groups": []}, "has a group"),
        ({"numerator": {"query": ["Patient?colour=red"]}}, "colour"),
        ({"numerator": {"query": ["Patient?active=true", "Observation?status=final"]}}, "of one type"),
        ({"numerator": {"by": "birthdate"}}, "no reference parameter"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        read_indicator(changed(tmp_path, **changes))
