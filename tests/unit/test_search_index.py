"""What a resource is found by: http://hl7.org/fhir/R4/search.html#searchValue"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import jiter
import pytest

from services.fhir.definitions import resource_types
from services.fhir.search.index import (
    DateIndex,
    IndexRow,
    date_parameters,
    index,
    patient_parameter,
    patient_parameters,
)
from services.fhir.search.strings import normalize

_BASE = "https://yiyang.example.org/fhir"
_INFINITY = Decimal("Infinity")


def _row(resource_type: str, **elements: Any) -> IndexRow:
    return index(resource_type, _BASE)({"resourceType": resource_type, **elements})


def _tokens(row: IndexRow, code: str) -> set[str]:
    return {token for token in row.tokens if token.startswith((f"{code}=", f"{code}:"))}


def _strings(row: IndexRow, code: str) -> list[str]:
    return [value for parameter, _, value in (string.partition("\x1f") for string in row.strings) if parameter == code]


def _date(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def _quantities(row: IndexRow, param: str) -> list[tuple[Any, ...]]:
    return [(each.lo, each.hi, each.system, each.code, each.unit) for each in row.quantities if each.param == param]


def test_a_coding_answers_to_its_code_its_system_and_both() -> None:
    row = _row("Observation", code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}, {"code": "own"}]})
    assert _tokens(row, "code") == {
        "code=8867-4",
        "code=http://loinc.org|8867-4",
        "code=http://loinc.org|",
        "code=own",
        "code=|own",
    }


def test_a_pipe_in_a_code_is_not_the_end_of_a_system() -> None:
    assert _tokens(_row("Patient", identifier=[{"value": "a|b"}]), "identifier") == {
        "identifier=a\\|b",
        "identifier=|a\\|b",
    }


@pytest.mark.parametrize(
    ("resource_type", "elements", "code", "expected"),
    [
        ("Patient", {"active": True}, "active", {"active=true", "active=|true"}),
        ("Patient", {"gender": "female"}, "gender", {"gender=female", "gender=|female"}),
        ("Patient", {}, "deceased", {"deceased=false", "deceased=|false"}),
        ("Patient", {"deceasedDateTime": "2024"}, "deceased", {"deceased=true", "deceased=|true"}),
        ("Patient", {"telecom": [{"system": "phone", "value": "13800000000"}]}, "phone", {"phone=13800000000", "phone=|13800000000"}),
        ("Patient", {"telecom": [{"system": "phone", "value": "1"}]}, "email", set()),
        ("Patient", {"identifier": [{"system": "s"}]}, "identifier", {"identifier=s|"}),
        ("Observation", {"code": {"text": "pulse"}}, "code", {"code:present"}),
        ("Observation", {"subject": {"display": "someone"}}, "subject", {"subject:present"}),
        ("Observation", {"subject": {"reference": "#inside"}}, "subject", {"subject=#inside"}),
        ("Observation", {"subject": {"reference": "Patient/1"}}, "subject", {"subject=Patient/1"}),
        ("Observation", {"subject": {"reference": f"{_BASE}/Patient/1"}}, "subject", {"subject=Patient/1"}),
        ("Observation", {"subject": {"reference": f"{_BASE}/Patient/1/_history/7"}}, "subject", {"subject=Patient/1"}),
        ("Observation", {"subject": {"reference": "https://other.example/Patient/1"}}, "subject", {"subject=https://other.example/Patient/1"}),
        (
            "Observation",
            {"subject": {"identifier": {"system": "s", "value": "v"}}},
            "subject",
            {"subject:present", "subject:identifier=v", "subject:identifier=s|v", "subject:identifier=s|"},
        ),
        (
            "QuestionnaireResponse",
            {"questionnaire": "http://example.org/q|2"},
            "questionnaire",
            {"questionnaire=http://example.org/q|2", "questionnaire:canonical=http://example.org/q|2", "questionnaire=http://example.org/q"},
        ),
        ("Patient", {"meta": {"profile": ["http://example.org/p|1"]}}, "_profile", {"_profile=http://example.org/p|1", "_profile=http://example.org/p"}),
        ("Patient", {"meta": {"tag": [{"code": "t"}]}}, "_tag", {"_tag=t", "_tag=|t"}),
        ("Patient", {"meta": {"security": [{"system": "s", "code": "R"}]}}, "_security", {"_security=R", "_security=s|R", "_security=s|"}),
        ("Patient", {"meta": {"source": "urn:x"}}, "_source", {"_source=urn:x"}),
        ("ValueSet", {"url": "http://example.org/vs"}, "url", {"url=http://example.org/vs"}),
        ("Bundle", {"entry": [{"resource": {"resourceType": "Composition", "id": "1"}}]}, "composition", {"composition=Composition/1"}),
        ("Consent", {"sourceAttachment": {"url": "http://example.org/form"}}, "source-reference", {"source-reference=http://example.org/form", "source-reference:canonical=http://example.org/form"}),
    ],
)  # fmt: skip
def test_tokens_references_and_uris_are_kept_in_every_form_they_are_asked_in(
    resource_type: str, elements: dict[str, Any], code: str, expected: set[str]
) -> None:
    assert _tokens(_row(resource_type, **elements), code) == expected


def test_a_key_too_long_for_the_index_still_tells_two_values_apart() -> None:
    keys = [_tokens(_row("ValueSet", url="http://example.org/" + "x" * 3000 + end), "url") for end in "ab"]
    assert keys[0] != keys[1]
    assert all(len(key) < 600 for key in keys[0])


def test_every_part_of_a_name_is_a_string_of_its_own() -> None:
    row = _row("Patient", name=[{"family": "Müller", "given": ["Änne", None, "Maria  Luise"], "text": "李秀英"}])
    assert _strings(row, "name") == ["muller", "anne", "maria luise", "李秀英"]
    assert _strings(row, "given") == ["anne", "maria luise"]
    assert {"name:exact=Müller", "family:exact=Müller", "name:exact=Maria  Luise"} <= {*row.tokens}


def test_every_part_of_an_address_is_a_string_of_its_own() -> None:
    row = _row("Patient", address=[{"line": ["滨河街1号"], "city": "乌海", "postalCode": "016000"}])
    assert _strings(row, "address") == ["滨河街1号", "乌海", "016000"]
    assert _strings(row, "address-city") == ["乌海"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Ｌｉ　Ｘｉｕ", "li xiu"), ("ﬁn", "fin"), ("Straße", "strasse"), ("İstanbul", "istanbul"), ("Ａ\u0301b", "ab"), ("𠮷田", "𠮷田"), ("  a \t b ", "a b"), ("ΣΑΣ", "σασ")],
)  # fmt: skip
def test_strings_are_compared_without_case_accents_width_and_extra_space(text: str, expected: str) -> None:
    assert normalize(text) == expected
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("1988-06-15", "1988-06-15", "1988-06-16"),
        ("1880-06-15", "1880-06-15", "1880-06-16"),
    ],
)
def test_a_birth_date_is_its_calendar_day_in_the_zone(text: str, lo: str, hi: str) -> None:
    assert _row("Patient", birthDate=text).dates["birthdate"] == DateIndex(_date(lo), _date(hi), [])


def test_the_zone_is_a_setting() -> None:
    berlin = index("Patient", _BASE, ZoneInfo("Europe/Berlin"))({"resourceType": "Patient", "birthDate": "2024-07-01"})
    assert berlin.dates["birthdate"].lo == datetime(2024, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "lo", "microseconds"),
    [
        ("2024-05-11T10:00:00Z", "2024-05-11T10:00:00", 1_000_000),
        ("2024-05-11T10:00:00+08:00", "2024-05-11T02:00:00", 1_000_000),
        ("2024-05-11T10:00:00.5Z", "2024-05-11T10:00:00.5", 100_000),
        ("2024-05-11T10:00:00.123Z", "2024-05-11T10:00:00.123", 1_000),
        ("2024-05-11T10:00:00.123456789Z", "2024-05-11T10:00:00.123456", 1),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00", 1_000_000),
    ],
)
def test_an_instant_is_as_long_as_its_last_digit(text: str, lo: str, microseconds: int) -> None:
    found = _row("Observation", effectiveDateTime=text).dates["date"]
    assert found.lo == _date(lo, "UTC")
    assert (found.hi - found.lo).total_seconds() * 1_000_000 == pytest.approx(microseconds)


def test_periods_without_an_end_are_open() -> None:
    row = _row("Encounter", period={"start": "2024-05-01"})
    assert row.dates["date"].lo == _date("2024-05-01")
    assert row.dates["date"].hi == datetime.max.replace(tzinfo=UTC)
    assert _row("Encounter", period={"end": "2024-05-01"}).dates["date"].lo == datetime.min.replace(tzinfo=UTC)
    assert _row("Encounter", period={}).dates == {}


@pytest.mark.parametrize(
    "text",
    ["0001-01-01", "0001", "9999-12-31", "9999-12", "9999", "9999-12-31T23:59:59.9-10:00", "0001-01-01T00:00:00+14:00"],
)
def test_the_edges_of_the_calendar_stay_within_what_utc_can_say(text: str) -> None:
    found = _row("Observation", effectiveDateTime=text).dates["date"]
    assert found.lo <= found.hi
    assert found.lo.astimezone(UTC) <= found.hi.astimezone(UTC)


def test_a_timing_reaches_from_its_first_to_its_last_event() -> None:
    timing = {
        "event": ["2024-05-02", "2024-05-01"],
        "repeat": {"boundsPeriod": {"start": "2024-05-01", "end": "2024-05-07"}},
    }
    assert _row("ServiceRequest", occurrenceTiming=timing).dates["occurrence"] == DateIndex(
        _date("2024-05-01"), _date("2024-05-08"), []
    )
    assert _row("ServiceRequest", occurrenceTiming={"code": {"text": "BID"}}).dates == {}


def test_several_dates_are_kept_each_with_their_outer_bounds() -> None:
    row = _row("Goal", target=[{"dueDate": "2024-05-03"}, {"dueDate": "2024-05-01"}, {"dueDate": "2024-05-02"}])
    found = row.dates["target-date"]
    assert (found.lo, found.hi) == (_date("2024-05-01"), _date("2024-05-04"))
    assert [lo.day for lo, _ in found.each] == [3, 1, 2]


def test_what_is_no_date_has_no_date() -> None:
    assert _row("Immunization", occurrenceString="last spring").dates == {}
    assert _row("Procedure", performedAge={"value": 70}).dates == {}


def test_a_quantity_is_exact_whatever_its_digits() -> None:
    value = {"value": Decimal("37.50"), "system": "http://unitsofmeasure.org", "code": "Cel", "unit": "℃"}
    expected = (Decimal("37.5"), Decimal("37.5"), "http://unitsofmeasure.org", "Cel", "℃")
    row = _row("Observation", valueQuantity=value)
    assert _quantities(row, "value-quantity") == _quantities(row, "combo-value-quantity") == [expected]


@pytest.mark.parametrize(
    ("comparator", "lo", "hi"), [("<", -_INFINITY, 5), ("<=", -_INFINITY, 5), (">", 5, _INFINITY), (">=", 5, _INFINITY)]
)
def test_a_comparator_opens_an_end(comparator: str, lo: Any, hi: Any) -> None:
    row = _row("Observation", valueQuantity={"value": 5, "comparator": comparator})
    assert _quantities(row, "value-quantity") == [(lo, hi, None, None, None)]


def test_ranges_money_and_samples_are_quantities_too() -> None:
    onset = _row("Condition", onsetRange={"low": {"value": 60, "code": "a"}, "high": {"value": 70}})
    assert _quantities(onset, "onset-age") == [(60, 70, None, "a", None)]
    assert _quantities(_row("Condition", onsetRange={"high": {"value": 70}}), "onset-age") == [
        (-_INFINITY, 70, None, None, None)
    ]
    total = _row("Invoice", totalNet={"value": Decimal("12.30"), "currency": "CNY"})
    assert _quantities(total, "totalnet") == [(Decimal("12.3"), Decimal("12.3"), "urn:iso:std:iso:4217", "CNY", None)]
    samples = {
        "origin": {"value": 10, "unit": "mV"},
        "period": 10,
        "factor": Decimal("0.5"),
        "dimensions": 1,
        "upperLimit": 40,
        "data": "2 -4 E U 6",
    }
    assert _quantities(_row("Observation", valueSampledData=samples), "value-quantity") == [(8, 30, None, None, "mV")]


def test_numbers_share_the_quantities() -> None:
    row = _row(
        "RiskAssessment",
        prediction=[{"probabilityDecimal": Decimal("0.10")}, {"probabilityRange": {"low": {"value": 1}}}],
    )
    assert _quantities(row, "probability") == [
        (Decimal("0.1"), Decimal("0.1"), None, None, None),
        (1, _INFINITY, None, None, None),
    ]


def test_numbers_beyond_any_column_are_infinite_or_zero() -> None:
    row = _row(
        "RiskAssessment",
        prediction=[{"probabilityDecimal": Decimal(text)} for text in ("1E+99999", "-1E+99999", "1E-99999")],
    )
    assert [lo for lo, *_ in _quantities(row, "probability")] == [_INFINITY, -_INFINITY, 0]


@pytest.mark.parametrize(
    ("resource_type", "parameter"),
    [("Observation", "subject"), ("Condition", "patient"), ("Coverage", "beneficiary"), ("Patient", "_id"), ("Appointment", None), ("Task", None), ("Organization", None)],
)  # fmt: skip
def test_the_patient_parameter_is_the_one_over_a_single_element(resource_type: str, parameter: str | None) -> None:
    assert patient_parameter(resource_type) == parameter


def test_parameters_over_the_same_element_name_the_same_patient() -> None:
    assert patient_parameters("Observation") == {"patient", "subject"}
    assert patient_parameters("Appointment") == frozenset()


@pytest.mark.parametrize(
    ("reference", "patient"),
    [("Patient/1", "1"), (f"{_BASE}/Patient/1", "1"), ("Patient/1/_history/3", "1"), ("Group/1", None), ("https://other.example/Patient/1", None), ("#p", None)],
)  # fmt: skip
def test_the_patient_of_the_compartment_is_this_servers(reference: str, patient: str | None) -> None:
    assert _row("Observation", subject={"reference": reference}).patient == patient


def test_a_patient_is_in_the_own_compartment() -> None:
    assert _row("Patient", id="p1").patient == "p1"


def test_the_store_learns_its_columns_here() -> None:
    dates = {each.code: (each.column, each.repeats) for each in date_parameters("Goal")}
    assert dates == {"start-date": ("start_date", False), "target-date": ("target_date", True)}


@pytest.mark.parametrize("resource_type", resource_types())
def test_every_type_can_be_indexed(resource_type: str) -> None:
    assert index(resource_type)({"resourceType": resource_type, "id": "1"}).strings == []


def test_an_index_row_is_made_of_json_as_the_server_parses_it() -> None:
    body = b'{"resourceType":"Observation","valueQuantity":{"value":1.50}}'
    row = index("Observation")(jiter.from_json(body, float_mode="decimal"))
    assert row.quantities[0].lo == Decimal("1.5")
