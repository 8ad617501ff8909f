"""What readings mean by each rule: golden vectors, hysteresis, quiet hours, and never a matter of order (docs/monitoring.md)."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.definition_files import DefinitionError
from services.care.monitoring.evaluate import Unusable, evaluate
from services.care.monitoring.load import NOON, load_rules, read_rule, readings_of
from services.care.monitoring.readings import readings_in
from services.care.monitoring.rule import Golden, Reading, Rule
from tests.builders import LOINC, UCUM, coded, observation

Json = dict[str, Any]

RULES = load_rules()
VECTORS = [(rule, golden) for rule in RULES.values() for golden in rule.golden]
CHINA = timezone(timedelta(hours=8))
PRESSURE = RULES["blood-pressure-critical"]


def reading(
    value: float | str, minutes: int = 0, code: str = "8480-6", unit: str = "mm[Hg]", name: str = "a"
) -> Reading:
    return Reading(name, code, Decimal(str(value)), unit, NOON - timedelta(minutes=minutes))


@pytest.mark.parametrize(("rule", "golden"), VECTORS, ids=[f"{r.code}: {g.says}" for r, g in VECTORS])
def test_a_golden_vector_comes_out_as_it_says(rule: Rule, golden: Golden) -> None:
    found = evaluate(rule, readings_of(golden), NOON, is_open=golden.is_open)
    assert (found.state, len(found.unusable)) == (golden.state, golden.unusable)


def test_the_national_criteria_of_urgent_referral_are_there() -> None:
    urgent = {"blood-pressure-critical", "glucose-high", "glucose-low", "heart-rate-high", "fever-high"}
    assert urgent <= RULES.keys()
    assert [code for code in urgent if RULES[code].quiet] == []


@given(st.sampled_from(VECTORS), st.randoms(use_true_random=False))
def test_order_and_repetition_never_matter(vector: tuple[Rule, Golden], chance: random.Random) -> None:
    rule, golden = vector
    readings = readings_of(golden)
    again = chance.sample(readings * 2, len(readings) * 2)
    assert _said(rule, again, golden) == _said(rule, readings, golden)


def _said(rule: Rule, readings: list[Reading], golden: Golden) -> object:
    found = evaluate(rule, readings, NOON, is_open=golden.is_open)
    return found.state, sorted(found.evidence), {each.id for each in found.unusable}


def test_an_alert_is_raised_once_and_over_only_when_the_reading_is_back() -> None:
    states, is_open = [], False
    for value in (170, 185, 182, 178, 171, 169, 175, 180):
        found = evaluate(PRESSURE, [reading(value)], NOON, is_open=is_open)
        is_open = found.state in ("raise", "keep")
        states.append(found.state)
    assert states == ["normal", "raise", "keep", "keep", "keep", "clear", "normal", "raise"]


def test_the_evidence_is_what_breaches() -> None:
    readings = [reading(150, name="systolic"), reading(112, code="8462-4", name="diastolic")]
    assert evaluate(PRESSURE, readings, NOON, is_open=False).evidence == ("diastolic",)


def test_what_cannot_be_counted_is_told_with_its_reason() -> None:
    odd = [
        reading(190, name="bare", unit=""),
        reading(190, name="mass", unit="kg"),
        reading(190, -6, name="early"),
        reading(190, name="words", unit="毫米汞柱"),
    ]
    found = evaluate(PRESSURE, [*odd, reading(72, code="8867-4", unit="", name="pulse")], NOON, is_open=False)
    assert found.state == "normal"
    assert set(found.unusable) == {
        Unusable("bare", "no-unit"),
        Unusable("mass", "other-unit"),
        Unusable("early", "in-the-future"),
        Unusable("words", "other-unit"),
    }


@pytest.mark.parametrize(
    ("hour", "told"),
    [(12, (1, 12)), (21, (1, 21)), (22, (2, 6)), (23, (2, 6)), (3, (1, 6)), (6, (1, 6))],
)
def test_what_is_not_urgent_waits_for_the_morning(hour: int, told: tuple[int, int]) -> None:
    now = datetime(2024, 5, 1, hour, tzinfo=CHINA)
    day, at = told
    assert evaluate(RULES["readings-missing"], [], now, is_open=False).tell_at == datetime(
        2024, 5, day, at, tzinfo=CHINA
    )


def test_what_is_urgent_is_told_at_night() -> None:
    night = datetime(2024, 5, 1, 3, tzinfo=CHINA)
    urgent = Reading("a", "8480-6", Decimal(200), "mm[Hg]", night)
    assert evaluate(PRESSURE, [urgent], night, is_open=False).tell_at == night


def test_one_part_that_cannot_be_counted_does_not_silence_the_other() -> None:
    both = [reading(190, name="x"), reading(90, code="8462-4", unit="", name="x")]
    found = evaluate(PRESSURE, both, NOON, is_open=False)
    assert (found.state, found.unusable) == ("raise", (Unusable("x", "no-unit"),))


def test_readings_are_taken_from_values_and_components() -> None:
    systolic = {"code": coded(LOINC, "8480-6"), "valueQuantity": {"value": 181, "system": UCUM, "code": "mm[Hg]"}}
    bare = {"code": coded(LOINC, "8462-4"), "valueQuantity": {"value": 90, "unit": "mmHg"}}
    both = observation(
        "Patient/1", id="x", code=coded(LOINC, "85354-9"), valueQuantity=None, component=[systolic, bare]
    )
    at = datetime(2024, 5, 1, 8, tzinfo=CHINA)
    assert [*readings_in(both, CHINA)] == [
        Reading("x", "8480-6", Decimal(181), "mm[Hg]", at),
        Reading("x", "8462-4", Decimal(90), "", at),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "entered-in-error"},
        {"effectiveDateTime": "2024-05-01"},
        {"effectiveDateTime": None},
        {"valueQuantity": {"value": 72, "comparator": "<", "system": UCUM, "code": "/min"}},
        {"code": coded("http://a.example", "8867-4")},
    ],
)
def test_what_says_no_value_at_an_instant_is_no_reading(changes: Json) -> None:
    assert [*readings_in(observation("Patient/1", **changes), UTC)] == []


@pytest.mark.parametrize(
    ("name", "path", "to", "says"),
    [
        ("fever-high", ("urgency",), 1, "unknown field `urgency`"),
        ("fever-high", ("bounds", 0, "unit"), "degrees", "degrees is no unit of UCUM"),
        ("fever-high", ("bounds", 0, "until"), 40, "until 40 lies beyond the bound 39"),
        ("fever-high", ("bounds", 0, "atMost"), 35, "a bound is one of"),
        ("fever-high", ("golden",), [], "golden vectors are needed"),
        ("fever-high", ("golden", 0, "state"), "raise", "normal with 0 unusable, not raise"),
        ("fever-high", ("code",), "fever", "alert-rule has no code fever"),
        ("weight-gain", ("rise",), None, "a trend rises or falls"),
    ],
)
def test_a_file_that_is_no_rule_is_refused_with_the_reason(
    tmp_path: Path, name: str, path: tuple[str | int, ...], to: Any, says: str
) -> None:
    rule = json.loads(files("services.care.monitoring").joinpath("definitions", f"{name}.json").read_bytes())
    at = rule
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(rule), encoding="utf-8")
    with pytest.raises(DefinitionError) as error:
        read_rule(file)
    assert str(error.value).startswith(f"{name}.json: ")
    assert says in str(error.value)
