"""Quantities are compared in the base units of UCUM: http://hl7.org/fhir/R4/search.html#quantity"""

from decimal import Decimal
from typing import Any

import pytest

from tests.builders import UCUM, observation
from tests.house import Fhir
from tests.shelf import Shelf


@pytest.fixture
def shelf(fhir: Fhir) -> Shelf:
    return Shelf(fhir)


def _measured(value: str, code: str, system: str = UCUM, **more: Any) -> Any:
    return observation(valueQuantity={"value": Decimal(value), "code": code, "system": system} | more)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"value-quantity=5.4|{UCUM}|mg", {"mg", "g"}),
        (f"value-quantity=0.0054|{UCUM}|g", {"mg", "g"}),
        (f"value-quantity=gt5|{UCUM}|mg", {"mg", "g", "kg"}),
        (f"value-quantity=ge1|{UCUM}|kg", {"kg"}),
        (f"value-quantity=le5.4|{UCUM}|mg", {"mg", "g"}),
        (f"value-quantity=sa0.0054|{UCUM}|g", {"kg"}),
        (f"value-quantity=ne5.4|{UCUM}|mg", {"kg"}),
        (f"value-quantity=ap5.5|{UCUM}|mg", {"mg", "g"}),
        (f"value-quantity=98.6|{UCUM}|[degF]", {"warm"}),
        (f"value-quantity=gt36|{UCUM}|Cel", {"warm"}),
        (f"value-quantity=lt300|{UCUM}|K", set()),
        (f"value-quantity=1|{UCUM}|nonsense", {"nonsense"}),
        (f"value-quantity=1|{UCUM}|1", set()),
        ("value-quantity=5.4||mg", {"mg", "local", "named"}),
        ("value-quantity=5.4|http://local.test|mg", {"local"}),
        ("value-quantity=5.4", {"mg", "local", "named"}),
        (f"code-value-quantity=8867-4$5.4|{UCUM}|mg", {"mg", "g"}),
        (f"combo-value-quantity=0.001|{UCUM}|t", {"kg"}),
    ],
)
async def test_milligrams_are_found_by_grams(shelf: Shelf, query: str, found: set[str]) -> None:
    await shelf.put(
        mg=_measured("5.4", "mg"),
        g=_measured("0.0054", "g"),
        kg=_measured("1", "kg"),
        local=_measured("5.4", "mg", "http://local.test"),
        named=observation(valueQuantity={"value": Decimal("5.4"), "unit": "mg"}),
        warm=_measured("37.0", "Cel"),
        nonsense=_measured("1", "nonsense"),
        none=observation(valueQuantity=None, valueString="5.4"),
    )
    assert await shelf.found("Observation", query) == found


async def test_a_comparator_stays_open_in_base_units(shelf: Shelf) -> None:
    await shelf.put(less=_measured("5", "mg", comparator="<"), more=_measured("5", "mg", comparator=">"))
    assert await shelf.found("Observation", f"value-quantity=gt1|{UCUM}|g") == {"more"}
    assert await shelf.found("Observation", f"value-quantity=lt0.000001|{UCUM}|g") == {"less"}


async def test_measures_sort_by_what_they_are(shelf: Shelf) -> None:
    await shelf.put(kg=_measured("1", "kg"), mg=_measured("500", "mg"), g=_measured("20", "g"))
    assert await shelf.listed("Observation", "_sort=value-quantity") == ["mg", "g", "kg"]
    assert await shelf.listed("Observation", "_sort=-value-quantity") == ["kg", "g", "mg"]
