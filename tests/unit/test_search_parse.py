"""From the text of a search to a plain query: http://hl7.org/fhir/R4/search.html"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.fhir.outcomes import FhirError
from services.fhir.search.escapes import split, unescape
from services.fhir.search.parse import parse_criteria, parse_search
from services.fhir.search.query import (
    DateValue,
    Include,
    Match,
    Missing,
    NumberValue,
    QuantityValue,
    ReferenceValue,
    SearchQuery,
    SortKey,
    StringValue,
    TokenValue,
    UriValue,
    Value,
    types_in,
)

_NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)
_BASE = "https://yiyang.example.org/fhir"


def _query(resource_type: str, *items: tuple[str, str], strict: bool = False) -> SearchQuery:
    return parse_search(resource_type, items, now=_NOW, base=_BASE, strict=strict)


def _match(resource_type: str, name: str, value: str) -> Match:
    condition = _query(resource_type, (name, value), strict=True).conditions[0]
    assert isinstance(condition, Match)
    return condition


def _value(resource_type: str, name: str, value: str) -> Value:
    return _match(resource_type, name, value).values[0]


def _refused(resource_type: str, *items: tuple[str, str], strict: bool = False) -> FhirError:
    with pytest.raises(FhirError) as caught:
        _query(resource_type, *items, strict=strict)
    assert caught.value.status == 400
    return caught.value


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def test_commas_are_or_and_repetition_is_and() -> None:
    found = _query("Patient", ("name", "li,wang"), ("name", "xiu")).conditions
    assert [len(each.values) for each in found if isinstance(each, Match)] == [2, 1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        (r"a\,b,c", [r"a\,b", "c"]),
        ("a\\\\,b", ["a\\\\", "b"]),
        ("a\\", ["a\\"]),
        (r"a|b\|c", [r"a|b\|c"]),
        (",", ["", ""]),
    ],
)
def test_an_escaped_comma_divides_nothing(text: str, parts: list[str]) -> None:
    assert split(text, ",") == parts


def test_escapes_are_undone_and_other_backslashes_stay() -> None:
    assert unescape(r"\, \| \$ \\ \n") == r", | $ \ \n"
    assert _value("Patient", "identifier", r"s\,t|a\|b") == TokenValue("s,t", "a|b")
    assert _value("Patient", "name:exact", r"a\,b") == StringValue("a,b", "a,b")


@pytest.mark.parametrize("modifier", [None, "exact", "contains"])
def test_a_string_keeps_its_text_and_its_normal_form(modifier: str | None) -> None:
    name = f"name:{modifier}" if modifier else "name"
    folded = () if modifier == "exact" else ("muller",)
    expected = Match("name", "string", modifier, (StringValue("Müller", "muller", folded),))  # type: ignore[arg-type]
    assert _match("Patient", name, "Müller") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8867-4", TokenValue(None, "8867-4")),
        ("http://loinc.org|8867-4", TokenValue("http://loinc.org", "8867-4")),
        ("|8867-4", TokenValue("", "8867-4")),
        ("http://loinc.org|", TokenValue("http://loinc.org", None)),
    ],
)
def test_a_token_has_a_system_a_code_or_both(text: str, expected: TokenValue) -> None:
    assert _value("Observation", "code", text) == expected


def test_a_code_without_a_system_may_be_asked_with_the_system_of_its_value_set() -> None:
    assert _value("Patient", "gender", "http://hl7.org/fhir/administrative-gender|female") == TokenValue(None, "female")
    assert _value("Patient", "gender", "http://example.org|female") == TokenValue("http://example.org", "female")
    assert _value("Patient", "active", "http://terminology.hl7.org/CodeSystem/special-values|true") == TokenValue(
        None, "true"
    )


def test_not_is_kept_for_tokens() -> None:
    assert _match("Observation", "status:not", "final,amended").modifier == "not"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("subject", "Patient/1", ("Patient/1",)),
        ("subject", "Patient/1/_history/2", ("Patient/1",)),
        ("subject", f"{_BASE}/Patient/1", ("Patient/1",)),
        ("subject", "https://other.example/Patient/1", ("https://other.example/Patient/1",)),
        ("subject", "urn:uuid:1", ("urn:uuid:1",)),
        ("subject:Patient", "1", ("Patient/1",)),
        ("subject:Patient", "Patient/1", ("Patient/1",)),
        ("patient", "1", ("Patient/1",)),
        ("encounter", "1", ("Encounter/1", "EpisodeOfCare/1")),
    ],
)
def test_a_reference_is_an_id_a_type_and_id_or_a_url(name: str, text: str, expected: tuple[str, ...]) -> None:
    resource_type = "DocumentReference" if name == "encounter" else "Observation"
    found = _value(resource_type, name, text)
    assert isinstance(found, ReferenceValue)
    assert sorted(found.references) == sorted(expected)


def test_a_bare_id_stands_for_every_type_that_the_reference_allows() -> None:
    assert _value("Observation", "subject", "1") == ReferenceValue(("Group/1", "Device/1", "Patient/1", "Location/1"))


def test_a_canonical_is_searched_by_its_text() -> None:
    assert _value("QuestionnaireResponse", "questionnaire", "http://example.org/q|2") == ReferenceValue(
        ("http://example.org/q|2",)
    )


def test_a_uri_is_searched_by_its_text() -> None:
    assert _value("ValueSet", "url", "urn:oid:1.2") == UriValue("urn:oid:1.2")


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
def test_every_prefix_is_understood(prefix: Any) -> None:
    assert _value("Patient", "birthdate", f"{prefix}1980-05") == DateValue(
        prefix, _day("1980-05-01"), _day("1980-06-01")
    )
    assert _value("RiskAssessment", "probability", f"{prefix}100") == NumberValue(
        prefix, Decimal(100), Decimal("99.5"), Decimal("100.5")
    )


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [
        ("1980", _day("1980-01-01"), _day("1981-01-01")),
        ("1980-05-11", _day("1980-05-11"), _day("1980-05-12")),
        ("2024-05-11T10:00", _day("2024-05-11T10:00"), _day("2024-05-11T10:01")),
        ("2024-05-11T10:00:00Z", datetime(2024, 5, 11, 10, tzinfo=UTC), datetime(2024, 5, 11, 10, 0, 1, tzinfo=UTC)),
        ("2024-05-11T10:00:00 08:00", _day("2024-05-11T10:00"), _day("2024-05-11T10:00:01")),
    ],
)
def test_a_date_without_a_prefix_or_a_zone_has_its_defaults(text: str, lo: datetime, hi: datetime) -> None:
    assert _value("Observation", "date", text) == DateValue("eq", lo, hi)


def test_ap_widens_a_date_by_a_tenth_of_its_distance_and_a_number_by_a_tenth() -> None:
    found = _value("Observation", "date", "ap2024-05-01")
    assert found == DateValue("ap", _day("2024-05-01") - timedelta(days=4), _day("2024-05-02") + timedelta(days=4))
    assert _value("RiskAssessment", "probability", "ap100") == NumberValue(
        "ap", Decimal(100), Decimal(90), Decimal(110)
    )
    assert _value("Observation", "date", "ap0001")
    assert _value("Observation", "date", "ap9999")


@pytest.mark.parametrize(
    ("text", "lo", "hi"),
    [("100", "99.5", "100.5"), ("100.00", "99.995", "100.005"), ("1e2", "95", "105"), ("1.0e2", "95", "105"), ("-5", "-5.5", "-4.5"), ("0", "-0.5", "0.5"), ("5.4e-3", "5.35e-3", "5.45e-3")],
)  # fmt: skip
def test_a_number_means_the_range_of_its_digits(text: str, lo: str, hi: str) -> None:
    assert _value("RiskAssessment", "probability", text) == NumberValue("eq", Decimal(text), Decimal(lo), Decimal(hi))


@pytest.mark.parametrize(
    ("text", "system", "code"),
    [
        ("5.4", None, None),
        ("5.4|http://local.test|mg", "http://local.test", "mg"),
        ("5.4|http://unitsofmeasure.org|nonsense", "http://unitsofmeasure.org", "nonsense"),
        ("5.4||mg", None, "mg"),
    ],
)
def test_a_quantity_may_have_a_unit(text: str, system: str | None, code: str | None) -> None:
    expected = QuantityValue("eq", Decimal("5.4"), Decimal("5.35"), Decimal("5.45"), system, code)
    assert _value("Observation", "value-quantity", text) == expected


def test_a_quantity_in_a_unit_of_ucum_is_in_base_units() -> None:
    value = _value("Observation", "value-quantity", "gt5.4|http://unitsofmeasure.org|mg")
    milligram = ("http://unitsofmeasure.org", "mg", "g1.")
    assert value == QuantityValue("gt", Decimal("0.0054"), Decimal("0.00535"), Decimal("0.00545"), *milligram)


def test_missing_takes_a_boolean() -> None:
    assert _query("Patient", ("birthdate:missing", "true")).conditions == (Missing("birthdate", "date", missing=True),)
    assert _query("Patient", ("_id:missing", "false")).conditions == (Missing("_id", "token", missing=False),)


def test_id_and_last_updated_are_parameters_of_every_type() -> None:
    assert _value("Task", "_id", "a|b") == TokenValue(None, "a|b")
    assert _match("Task", "_lastUpdated", "ge2024").type == "date"


def test_sort_count_total_and_summary_shape_the_answer() -> None:
    query = _query(
        "Observation",
        ("_sort", "-date,_id"),
        ("_count", "10"),
        ("_total", "accurate"),
        ("_cursor", "x"),
        ("_summary", "false"),
    )
    assert query.sort == (SortKey("date", "date", descending=True), SortKey("_id", "token"))
    assert (query.count, query.total, query.cursor, query.only_count) == (10, "accurate", "x", False)


def test_count_is_bounded_and_the_self_link_says_so() -> None:
    query = _query("Patient", ("_count", "100000"))
    assert (query.count, query.used) == (1000, (("_count", "1000"),))


def test_a_count_of_zero_is_a_summary_of_the_count() -> None:
    assert _query("Patient", ("_count", "0")).only_count
    assert _query("Patient", ("_summary", "count")).only_count


def test_includes_name_where_they_start_and_what_they_reach() -> None:
    query = _query(
        "Observation",
        ("_include", "Observation:patient"),
        ("_include", "Observation:performer:Organization"),
        ("_revinclude", "Provenance:target"),
    )
    assert query.includes == (
        Include("Observation", "patient", ("Patient",)),
        Include("Observation", "performer", ("Organization",)),
    )
    assert query.revincludes == (Include("Provenance", "target", ("Observation",)),)


def test_an_unknown_parameter_is_told_when_lenient_and_refused_when_strict() -> None:
    query = _query("Patient", ("nickname", "x"), ("gender", "female"))
    assert (query.ignored, query.used, len(query.conditions)) == (("nickname",), (("gender", "female"),), 1)
    assert "nickname" in _refused("Patient", ("nickname", "x"), strict=True).issues[0].diagnostics


def test_an_empty_value_says_nothing() -> None:
    query = _query("Patient", ("name", ""), ("nickname", ""), strict=True)
    assert (query.conditions, query.used, query.ignored) == ((), (), ())


def test_format_and_pretty_are_passed_over() -> None:
    assert _query("Patient", ("_format", "json"), ("_pretty", "true"), strict=True).conditions == ()


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "birthdate:exact", "1980"),
        ("Patient", "name:", "x"),
        ("Patient", "name:not", "x"),
        ("Patient", "_id:text", "x"),
        ("Patient", "_count:exact", "1"),
        ("Observation", "code:of-type", "s|c|v"),
        ("Observation", "patient:below", "Patient/1"),
        ("Observation", "code-value-quantity:missing", "true"),
        ("Patient", "_query", "x"),
        ("Patient", "_type", "Patient"),
        ("Patient", "_text:exact", "x"),
        ("Patient", "_list", "$current-allergies"),
        ("Patient", "_include:recurse", "Patient:link"),
        ("Observation", "_sort", "code-value-quantity"),
    ],
)
def test_what_is_not_supported_is_refused_even_when_lenient(resource_type: str, name: str, value: str) -> None:
    issue = _refused(resource_type, (name, value)).issues[0]
    assert issue.code == "not-supported"
    assert name.partition(":")[0] in issue.diagnostics
    assert name.partition(":")[0] in issue.text


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("Patient", "birthdate", "SECRET"),
        ("Patient", "birthdate", "2024-02-30"),
        ("Patient", "birthdate", "ge"),
        ("Patient", "birthdate:missing", "SECRET"),
        ("Patient", "name", " \t"),
        ("Patient", "name", ",,"),
        ("Patient", "identifier", "SECRET|b|c"),
        ("Patient", "identifier", "|"),
        ("Observation", "subject", "SECRET/1/2"),
        ("Observation", "subject", "Nothing/1"),
        ("Observation", "subject:Patient", "Group/1"),
        ("Observation", "subject:Practitioner", "1"),
        ("Observation", "value-quantity", "SECRET"),
        ("Observation", "value-quantity", "5|mg"),
        ("Observation", "value-quantity", "1e99999"),
        ("RiskAssessment", "probability", "NaN"),
        ("Patient", "_count", "-1"),
        ("Patient", "_count", "٣"),
        ("Patient", "_count", "9" * 5000),
        ("Patient", "_total", "SECRET"),
        ("Patient", "_summary", "SECRET"),
        ("Patient", "_sort", "SECRET"),
        ("Patient", "_include", "SECRET"),
        ("Patient", "_include", "Observation:subject"),
        ("Patient", "_include", "Patient:name"),
        ("Patient", "_include", "Patient:link:Group"),
        ("Patient", "_revinclude", "Patient:general-practitioner"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_without_repeating_it(resource_type: str, name: str, value: str) -> None:
    issue = _refused(resource_type, (name, value)).issues[0]
    assert issue.code == "value"
    assert name.partition(":")[0] in issue.diagnostics
    assert "SECRET" not in issue.diagnostics + issue.text


def test_a_control_given_twice_must_agree_with_itself() -> None:
    _refused("Patient", ("_count", "1"), ("_count", "2"))
    assert _query("Patient", ("_count", "1"), ("_count", "1")).count == 1


def test_the_size_of_a_search_is_bounded() -> None:
    assert _refused("Patient", ("_id", ",".join("a" * 201))).issues[0].code == "too-costly"
    assert _refused("Patient", *[("name", "a")] * 101).issues[0].code == "too-costly"


def _criteria(text: str) -> SearchQuery:
    return parse_criteria("Patient", text, now=_NOW, base=_BASE)


def test_criteria_are_read_from_their_encoded_text() -> None:
    assert _criteria("?identifier=urn%3Aoid%3A1|%E7%8E%8B").conditions == (
        Match("identifier", "token", None, (TokenValue("urn:oid:1", "王"),)),
    )


@pytest.mark.parametrize(
    "text",
    ["", "?", "identifier=", "identifier=a&name=", "unknown=1", "_count=1", "identifier=a&_sort=name", "name=%FF"],
)
def test_criteria_that_could_mean_more_than_they_say_are_refused(text: str) -> None:
    with pytest.raises(FhirError) as caught:
        _criteria(text)
    assert caught.value.status == 400


def test_a_hierarchy_looks_at_the_types_that_it_walks() -> None:
    """Whoever asks by them needs a scope for them: services.fhir.within_scopes.py"""
    below = parse_search("Encounter", [("location:below", "Location/1")], now=_NOW)
    assert types_in(below) == {"Location"}
    chained = parse_search("Observation", [("encounter.location:above", "Location/1")], now=_NOW)
    assert types_in(chained) == {"Encounter", "Location"}
    assert types_in(parse_search("Encounter", [("location", "Location/1")], now=_NOW)) == frozenset()
