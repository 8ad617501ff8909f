"""The order of a searchset: http://hl7.org/fhir/R4/search.html#sort, compared with an order made in plain Python"""

from typing import Any

import pytest

from tests.builders import coded, encounter, observation, patient
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf

PEOPLE: Json = {
    # name         family          birth         gender
    "ann": ("Wang", "1940-01-01", "female"),
    "bea": ("wang", "1930-01-01", "female"),
    "cid": ("Li", "1940-01-01", "male"),
    "dan": (None, "1935-06-01", "male"),
    "eve": ("Zhao", None, "female"),
    "fay": ("Li", "1940-01-01", None),
    "gil": (None, None, None),
}


@pytest.fixture
async def people(shelf: Shelf) -> Shelf:
    await shelf.put(
        **{
            name: patient(name=[{"family": family}] if family else None, birthDate=birth, gender=gender)
            for name, (family, birth, gender) in PEOPLE.items()
        }
    )
    return shelf


def in_order(shelf: Shelf, *keys: tuple[int, bool]) -> list[str]:
    """By each key in turn, descending where so marked; without a value last; ties by id."""
    names = sorted(PEOPLE, key=shelf.id)
    for column, descending in reversed(keys):
        names.sort(key=lambda name: str(PEOPLE[name][column] or "").lower(), reverse=descending)
        names.sort(key=lambda name: PEOPLE[name][column] is None)
    return names


@pytest.mark.parametrize(
    ("sort", "keys"),
    [
        ("family", [(0, False)]),
        ("-family", [(0, True)]),
        ("birthdate", [(1, False)]),
        ("-birthdate", [(1, True)]),
        ("gender", [(2, False)]),
        ("-gender", [(2, True)]),
        ("family,birthdate", [(0, False), (1, False)]),
        ("gender,-birthdate,family", [(2, False), (1, True), (0, False)]),
        ("-birthdate,-family,gender", [(1, True), (0, True), (2, False)]),
        ("-gender,family,-birthdate", [(2, True), (0, False), (1, True)]),
    ],
)
async def test_several_keys_with_ties_and_missing_values(people: Shelf, sort: str, keys: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: each key breaks the ties of those before it; no row is left out."""
    wanted = in_order(people, *keys)
    assert await people.listed("Patient", f"_sort={sort}") == wanted
    assert await people.listed("Patient", "&".join(f"_sort={key}" for key in sort.split(","))) == wanted


async def test_a_repeat_sorts_by_its_smallest_ascending_and_its_largest_descending(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: of several values the one that comes first in the order decides."""
    names: dict[str, tuple[str, ...]] = {"a": ("b", "y"), "b": ("a", "m"), "c": ("c",), "d": ("d", "z")}
    await shelf.put(**{n: patient(name=[{"family": each} for each in families]) for n, families in names.items()})
    assert await shelf.listed("Patient", "_sort=family") == ["b", "a", "c", "d"]
    assert await shelf.listed("Patient", "_sort=-family") == ["d", "a", "b", "c"]


async def test_repeated_dates_sort_by_their_ends(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort"""
    where = {"reference": "Location/ward"}
    stays = {"a": ("2024-02-01", "2024-09-01"), "b": ("2024-01-01", "2024-03-01"), "c": ("2024-04-01",)}
    await shelf.put(
        **{
            n: encounter(location=[{"location": where, "period": {"start": d, "end": d}} for d in days])
            for n, days in stays.items()
        },
        none=encounter(),
    )
    assert await shelf.listed("Encounter", "_sort=location-period") == ["b", "a", "c", "none"]
    assert await shelf.listed("Encounter", "_sort=-location-period") == ["a", "c", "b", "none"]


async def test_numbers_quantities_and_periods_sort_by_value(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: not as text."""
    numbers = {"ten": 10, "nine": 9, "minus": -1, "hundred": 100}
    await shelf.put(
        **{n: minimal("ChargeItem", factorOverride=v) for n, v in numbers.items()}, none=minimal("ChargeItem")
    )
    assert await shelf.listed("ChargeItem", "_sort=factor-override") == ["minus", "nine", "ten", "hundred", "none"]
    assert await shelf.listed("ChargeItem", "_sort=-factor-override") == ["hundred", "ten", "nine", "minus", "none"]
    await shelf.put(**{f"o{v}": observation(valueQuantity={"value": v}) for v in (9, 10, -1)})
    assert await shelf.listed("Observation", "_sort=value-quantity") == ["o-1", "o9", "o10"]


async def test_tokens_references_uris_and_ids_have_an_order_too(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: any parameter of a simple type."""
    await shelf.put(
        a=observation("Patient/b", code=coded("http://example.org/z", "a")),
        b=observation("Patient/a", code=coded("http://example.org/a", "b")),
        none=observation(None, code={"text": "c"}),
    )
    assert await shelf.listed("Observation", "_sort=code") == ["a", "b", "none"]
    assert await shelf.listed("Observation", "_sort=-code") == ["b", "a", "none"]
    assert await shelf.listed("Observation", "_sort=subject") == ["b", "a", "none"]
    ids = sorted(shelf.stored, key=shelf.id)
    assert await shelf.listed("Observation", "_sort=_id") == ids
    assert await shelf.listed("Observation", "_sort=-_id") == ids[::-1]


async def test_last_updated_sorts_by_when_it_was_written(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: `_lastUpdated`, `-_lastUpdated`."""
    for name in ("first", "second", "third"):
        await shelf.put(**{name: patient()})
    await shelf.fhir.put(f"/{shelf.reference('first')}", shelf.stored["first"])
    moments = [
        (e["resource"]["meta"]["lastUpdated"]) for e in (await shelf.search("Patient", "_sort=_lastUpdated"))["entry"]
    ]
    assert moments == sorted(moments)
    assert (await shelf.listed("Patient", "_sort=-_lastUpdated"))[0] == "first"


async def test_chinese_text_sorts_stably(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: the order is the server's; here that of Unicode [ours]."""
    families = ("张", "王", "李", "𠮷", "欧阳")
    await shelf.put(**{f: patient(name=[{"family": f}]) for f in families})
    assert await shelf.listed("Patient", "_sort=family") == sorted(families)


@pytest.mark.parametrize(
    "sort",
    [
        "nonsense",
        "-",
        "--name",
        "name:asc",
        "family desc",
        "family;drop table",
        "-family,nonsense",
        "near",
        "code-value-quantity",
    ],
)
async def test_a_key_without_an_order_is_refused(shelf: Shelf, sort: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors"""
    answer = await shelf.fhir.get(shelf.path("Patient", f"_sort={sort}"))
    assert_outcome(answer, 400, "value")


async def test_of_the_same_key_twice_the_first_decides(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: later keys order what earlier ones leave equal."""
    await shelf.put(a=patient(birthDate="1930"), b=patient(birthDate="1940"))
    assert await shelf.listed("Patient", "_sort=birthdate,-birthdate") == ["a", "b"]
