"""Number and quantity parameters: http://hl7.org/fhir/R4/search.html#number and http://hl7.org/fhir/R4/search.html#quantity"""

from decimal import Decimal
from typing import Any, Final

import pytest

from tests.builders import observation
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf

UCUM: Final = "http://unitsofmeasure.org"
VALUES: Final = (
    "94.9",
    "95",
    "99.49",
    "99.5",
    "99.999",
    "100",
    "100.00",
    "100.5",
    "104",
    "105",
    "-100",
    "0",
    "0.005",
    "1e2",
)
PREFIXES: Final = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
IMPLICIT: Final = {
    # as searched    exact, range: http://hl7.org/fhir/R4/search.html#number
    "100": ("100", "99.5", "100.5"),
    "100.00": ("100", "99.995", "100.005"),
    "1e2": ("100", "95", "105"),
    "1.0e2": ("100", "95", "105"),
    "%2B100": ("100", "99.5", "100.5"),
    "-100": ("-100", "-100.5", "-99.5"),
    "0": ("0", "-0.5", "0.5"),
    "0.0": ("0", "-0.05", "0.05"),
    "5e-3": ("0.005", "0.0045", "0.0055"),
    "1E%2B2": ("100", "95", "105"),
}


def expected(prefix: str, text: str) -> set[str]:
    """`eq` and `ne` look at the implicit range, the other prefixes at the exact value."""
    exact, low, high = (Decimal(number) for number in IMPLICIT[text])
    inside = {v for v in VALUES if low <= Decimal(v) < high}
    above = {v for v in VALUES if Decimal(v) > exact}
    below = {v for v in VALUES if Decimal(v) < exact}
    equal = {v for v in VALUES if Decimal(v) == exact}
    of_prefix = {"ne": {*VALUES} - inside, "gt": above, "sa": above, "lt": below, "eb": below}
    return {**of_prefix, "ge": above | equal, "le": below | equal}.get(prefix, inside)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_prefix_of_a_number(shelf: Shelf, prefix: str) -> None:
    """http://hl7.org/fhir/R4/search.html#number: `100` is [99.5, 100.5), `1e2` is [95, 105)."""
    await shelf.put(**{v: minimal("ChargeItem", factorOverride=Decimal(v)) for v in VALUES}, none=minimal("ChargeItem"))
    for text in IMPLICIT:
        found = await shelf.found("ChargeItem", f"factor-override={prefix}{text}")
        assert found == expected(prefix, text), f"{prefix}{text}"
    assert await shelf.found("ChargeItem", "factor-override:missing=true") == {"none"}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_prefix_of_a_quantity(shelf: Shelf, prefix: str) -> None:
    """http://hl7.org/fhir/R4/search.html#quantity: numbers as above, in the unit that is asked for."""
    await shelf.put(**{v: measured(Decimal(v)) for v in VALUES}, other=measured(Decimal(100), code="mm"))
    for text in IMPLICIT:
        found = await shelf.found("Observation", f"value-quantity={prefix}{text}|{UCUM}|mg")
        assert found == expected(prefix, text), f"{prefix}{text}"


def measured(value: Any, **changes: Any) -> Json:
    quantity = {"value": value, "unit": "毫克", "system": UCUM, "code": "mg", **changes}
    return observation(valueQuantity={name: each for name, each in quantity.items() if each is not None})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("5.4", {"mg", "g", "bare", "unit"}),
        (f"5.4|{UCUM}|mg", {"mg"}),
        ("5.4||mg", {"mg", "unit"}),
        ("5.4||毫克", {"mg"}),
        ("5.4|http://example.org|mg", set()),
        (f"5.4|{UCUM}|毫克", set()),
        ("gt5||g", {"g"}),
        ("5.4||kg", set()),
        ("5.4||mg,5.4||g", {"mg", "g", "unit"}),
    ],
)
async def test_value_system_and_code_or_unit(shelf: Shelf, query: str, found: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#quantity: `v`, `v|s|c` and `v||c`, where c is a code or a unit."""
    await shelf.put(
        mg=measured(Decimal("5.4")),
        g=measured(Decimal("5.4"), code="g", unit="g"),
        bare=measured(Decimal("5.4"), system=None, code=None, unit=None),
        unit=measured(Decimal("5.4"), system=None, code=None, unit="mg"),
        text=observation(valueQuantity=None, valueString="5.4"),
        no_value=observation(valueQuantity={"unit": "mg"}),
    )
    assert await shelf.found("Observation", f"value-quantity={query}") == found


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("gt", {"inside", "over"}),
        ("lt", {"inside", "under"}),
        ("eq", set()),
        ("sa", set()),
        ("eb", set()),
        ("ne", {"inside", "over", "under"}),
    ],
)
async def test_a_comparator_is_an_open_end_and_a_range_all_that_lies_in_it(
    shelf: Shelf, prefix: str, found: Any
) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#Quantity: `< 5` is somewhere below 5."""
    low, high = ({"value": Decimal(n), "system": UCUM, "code": "%"} for n in ("4", "6"))
    await shelf.put(
        under=minimal("RiskAssessment", prediction=[{"probabilityRange": {"high": high | {"value": Decimal(5)}}}]),
        over=minimal("RiskAssessment", prediction=[{"probabilityRange": {"low": low | {"value": Decimal(5)}}}]),
        inside=minimal("RiskAssessment", prediction=[{"probabilityRange": {"low": low, "high": high}}]),
    )
    assert await shelf.found("RiskAssessment", f"probability={prefix}5.0") == found


async def test_a_quantity_with_a_comparator_lies_beyond_its_value(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#Quantity: comparator."""
    await shelf.put(below=measured(Decimal(5), comparator="<"), above=measured(Decimal(5), comparator=">"))
    assert await shelf.found("Observation", "value-quantity=lt5") == {"below"}
    assert await shelf.found("Observation", "value-quantity=gt5") == {"above"}
    assert await shelf.found("Observation", "value-quantity=gt6") == {"above"}
    assert await shelf.found("Observation", "value-quantity=5") == set()


async def test_repeats_match_by_any_value(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#searchValue: `combo-value-quantity` reads components too."""
    part = {"code": {"text": "part"}}
    components = [{**part, "valueQuantity": {"value": Decimal(n)}} for n in (120, 80)]
    await shelf.put(pressure=observation(valueQuantity=None, component=components))
    assert await shelf.found("Observation", "component-value-quantity=120") == {"pressure"}
    assert await shelf.found("Observation", "combo-value-quantity=80") == {"pressure"}
    assert await shelf.found("Observation", "combo-value-quantity=gt100&combo-value-quantity=lt100") == {"pressure"}
    assert await shelf.found("Observation", "combo-value-quantity=100") == set()
    assert await shelf.found("Observation", "value-quantity=120") == set()


@pytest.mark.parametrize(
    "number", ["12345678901234567890.12345", "1e-300", "1e300", "-1e300", "0." + "3" * 100, "9" * 128]
)
async def test_no_digit_is_lost_in_the_index(shelf: Shelf, number: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#decimal: what is significant to the author is so to a search."""
    await shelf.put(
        exact=measured(Decimal(number)), next=measured(Decimal(number) + Decimal(number).copy_abs() * Decimal("1e-3"))
    )
    for prefix in ("", "ge", "le"):
        assert "exact" in await shelf.found("Observation", f"value-quantity={prefix}{number}")
    for prefix in ("gt", "lt"):
        assert "exact" not in await shelf.found("Observation", f"value-quantity={prefix}{number}")


async def test_about_a_number_is_within_a_tenth(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#prefix: `ap` is within 10 %."""
    await shelf.put(**{str(v): measured(v) for v in (89, 90, 100, 109, 111)})
    assert await shelf.found("Observation", "value-quantity=ap100") == {"90", "100", "109"}


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "1,x",
        "1e",
        "--1",
        "1e9999",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "1|2",
        "1|2|3|4",
        "|s|c",
        "gt",
        "１",
        "1.",
        ".5",
        "9" * 129,
    ],
)
async def test_what_is_no_number_is_refused(shelf: Shelf, value: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    assert_outcome(await shelf.fhir.get(shelf.path("Observation", f"value-quantity={value}")), 400, "value")
