"""Units of measure, exactly: https://ucum.org/ucum"""

from decimal import Decimal

import pytest

from services.fhir.ucum import canonical, unit
from services.fhir.ucum.atoms import atoms, prefixes
from services.fhir.ucum.terms import parse_unit


def _same(one: str, of: str, other: str, in_: str) -> bool:
    first, second = unit(of), unit(in_)
    assert first is not None
    assert second is not None
    return first.dimension == second.dimension and canonical(Decimal(one), first) == canonical(Decimal(other), second)


@pytest.mark.parametrize(
    ("one", "of", "other", "in_"),
    [
        ("5.4", "mg", "0.0054", "g"),
        ("1", "kg", "1000", "g"),
        ("72", "/min", "1.2", "/s"),
        ("37", "Cel", "98.6", "[degF]"),
        ("37", "Cel", "310.15", "K"),
        ("0", "[degRe]", "0", "Cel"),
        ("120", "mm[Hg]", "15.99864", "kPa"),
        ("10", "cm[H2O]", "980.665", "Pa"),
        ("5", "mmol/L", "5", "mol/m3"),
        ("1", "mol", "6.02214076", "10*23"),
        ("4.5", "10*9/L", "4.5", "10*3/uL"),
        ("4.5", "10*12/L", "4.5", "/pL"),
        ("1", "[IU]/mL", "1000", "[iU]/L"),
        ("1", "[in_i]", "2.54", "cm"),
        ("1", "[lb_av]", "0.45359237", "kg"),
        ("50", "%", "0.5", "1"),
        ("1", "L", "1000", "cm3"),
        ("1", "l", "1", "dm3"),
        ("72", "{beats}/min", "72", "/min"),
        ("90", "mL/min/{1.73_m2}", "1.5", "mL/s"),
        ("1", "J", "1", "kg.m2/s2"),
        ("1", "J/(kg.K)", "1", "m2/s2/K"),
        ("24", "h", "1", "d"),
        ("12", "mo", "1", "a"),
        ("7", "d", "1", "wk"),
        ("1", "kat", "1", "mol/s"),
        ("60", "U", "1", "umol/s"),
        ("7.4", "[pH]", "7.4", "[pH]"),
        ("2", "{score}", "2", "1"),
        ("1", "m-1", "1", "/m"),
        ("1", "m+2", "1", "m2"),
    ],
)
def test_the_same_measure_has_the_same_digits(one: str, of: str, other: str, in_: str) -> None:
    assert _same(one, of, other, in_)


@pytest.mark.parametrize(
    ("one", "other"),
    [("g", "m"), ("[iU]", "1"), ("[iU]", "[arb'U]"), ("[pH]", "1"), ("mg", "mg/L"), ("Cel", "K2"), ("B[V]", "V")],
)
def test_what_cannot_be_converted_has_another_dimension(one: str, other: str) -> None:
    first, second = unit(one), unit(other)
    assert first is not None
    assert second is not None
    assert first.dimension != second.dimension


@pytest.mark.parametrize(
    "code",
    [
        "",
        "nope",
        "mg ",
        "次/分",
        "m--1",
        "(m",
        "m)",
        "m..s",
        "m/",
        "{",
        "Cel/min",
        "mCel",
        "0",
        "mmg",
        "k%",
        "x" * 300,
        "(" * 150,
    ],
)
def test_what_is_no_unit_is_none(code: str) -> None:
    assert unit(code) is None


def test_every_unit_of_the_table_can_be_read() -> None:
    assert len(atoms()) > 300
    assert len(prefixes()) > 20
    assert [code for code in atoms() if unit(code) is None] == []


def test_a_prefix_stands_before_metric_units_only() -> None:
    assert parse_unit("mm")[0].prefix == "m"
    assert parse_unit("cd")[0].prefix == ""
    assert unit("m[in_i]") is None
    assert parse_unit("dar")[0].prefix == "d"
    assert parse_unit("Pa")[0].prefix == ""
