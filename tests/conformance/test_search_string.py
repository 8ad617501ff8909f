"""String parameters: http://hl7.org/fhir/R4/search.html#string"""

from typing import Any

import pytest

from tests.builders import patient
from tests.shelf import Json, Shelf

NAMES: Json = {
    "wang": {"text": "王秀英", "family": "王", "given": ["秀英", "Xiuying"]},
    "mueller": {"family": "Müller", "given": ["José", "Zoë Ann"]},
    "oconnor": {"family": "O'Connor", "given": ["Seán"]},
    "percent": {"family": "100% Pure_Gold", "given": ["a\\b"]},
    "comma": {"family": "Smith, John", "given": ["a|b", "c$d"]},
    "wide": {"family": "ＡＢＣ", "given": ["ﬁnn"]},
    "rare": {"family": "𠮷野", "given": ["e\u0301lan"]},
}


@pytest.fixture
async def named(shelf: Shelf) -> Shelf:
    await shelf.put(**{key: patient(name=[name]) for key, name in NAMES.items()}, nobody=patient())
    return shelf


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=王", {"wang"}),
        ("name=秀", {"wang"}),
        ("name=王秀英", {"wang"}),
        ("name=英", set()),
        ("given=xiu", {"wang"}),
        ("family=xiu", set()),
        ("name=mu", {"mueller"}),
        ("name=MÜLLER", {"mueller"}),
        ("name=muller", {"mueller"}),
        ("name=uller", set()),
        ("name=jose", {"mueller"}),
        ("name=zoe  ann", {"mueller"}),
        ("name=ann", set()),
        ("name=o'con", {"oconnor"}),
        ("name=O’Connor", {"oconnor"}),
        ("name=sean", {"oconnor"}),
        ("name=abc", {"wide", "comma"}),
        ("name=fi", {"wide"}),
        ("name=𠮷", {"rare"}),
        ("name=élan", {"rare"}),
        ("name=elan", {"rare"}),
        ("name=mu,wa,o'c", {"mueller", "oconnor", "wang"}),
        ("name=mu&name=jo", {"mueller"}),
        ("name=mu&name=sean", set()),
    ],
)
async def test_a_value_is_the_beginning_of_any_part_without_case_or_accents(
    named: Shelf, query: str, found: Any
) -> None:
    """http://hl7.org/fhir/R4/search.html#string: equal to or starting with the value, insensitive to case and accents; in a name punctuation is ignored too."""
    assert await named.found("Patient", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name:exact=Müller", {"mueller"}),
        ("name:exact=müller", set()),
        ("name:exact=Muller", set()),
        ("name:exact=Mül", set()),
        ("name:exact=王", {"wang"}),
        ("name:exact=ABC", set()),
        ("name:exact=ＡＢＣ", {"wide"}),
        ("name:exact=王,O'Connor", {"wang", "oconnor"}),
        ("name:contains=英", {"wang"}),
        ("name:contains=ULLE", {"mueller"}),
        ("name:contains=connor", {"oconnor"}),
        ("name:contains=ann", {"mueller"}),
        ("name:contains=秀,lan", {"wang", "rare"}),
        ("family:contains=秀", {"wang"} & set()),
    ],
)
async def test_exact_and_contains(named: Shelf, query: str, found: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers: `:exact` with case and accents, `:contains` anywhere."""
    assert await named.found("Patient", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("family:contains=%25", {"percent"}),
        ("family:contains=e_g", {"percent"}),
        ("family:contains=_", {"percent"}),
        ("family=100%25", {"percent"}),
        ("family=1__", set()),
        (r"given:contains=\\", {"percent"}),
        (r"given=a\\b", {"percent"}),
        (r"given:exact=a\\b", {"percent"}),
        ("name=':*", set()),
        ("name:contains='", {"oconnor"}),
        ("name=%27%20%7C%20%27", set()),
    ],
)
async def test_no_sign_of_sql_means_anything(named: Shelf, query: str, found: Any) -> None:
    r"""https://www.postgresql.org/docs/current/functions-matching.html: `%`, `_`, `\`, `'` and `:*` are letters here."""
    assert await named.found("Patient", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("family=smith\\,", {"comma"}),
        ("family=smith\\, john,王", {"comma", "wang"}),
        ("family:exact=Smith\\, John", {"comma"}),
        ("given=a\\|b", {"comma"}),
        ("given=a|b", {"comma"}),
        ("given=c\\$d", {"comma"}),
        ("family=smith,nobody", {"comma"}),
    ],
)
async def test_escaped_signs_are_part_of_the_value(named: Shelf, query: str, found: Any) -> None:
    """http://hl7.org/fhir/R4/search.html#escaping"""
    assert await named.found("Patient", query) == found


async def test_missing_tells_who_has_no_value(named: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers: `:missing`."""
    assert await named.found("Patient", "name:missing=true") == {"nobody"}
    assert await named.found("Patient", "name:missing=false") == NAMES.keys()
    assert await named.found("Patient", "family:missing=true") == {"nobody"}
    assert await named.found("Patient", "address:missing=true") == {*NAMES, "nobody"}


async def test_an_address_is_found_by_each_of_its_parts(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/patient.html#search: `address` is any of its string elements."""
    address = {
        "line": ["滨河路 8 号", "2 单元"],
        "city": "乌海市",
        "district": "海勃湾区",
        "state": "内蒙古",
        "postalCode": "016000",
    }
    await shelf.put(here=patient(address=[address]), there=patient(address=[{"city": "包头"}]))
    for text in ("滨河", "2 单", "乌海", "海勃", "内蒙", "0160"):
        assert await shelf.found("Patient", f"address={text}") == {"here"}
    assert await shelf.found("Patient", "address-city=乌海") == {"here"}
    assert await shelf.found("Patient", "address-city=内蒙") == set()


async def test_an_empty_value_says_nothing(named: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#errors: `name=` is as if it were not there."""
    bundle = await named.search("Patient", "name=&family=王")
    assert named.names(bundle) == ["wang"]
    assert "name" not in bundle["link"][0]["url"]


async def test_a_long_value_is_compared_by_its_beginning_and_exactly_as_a_whole(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#string: up to 1 MB; `:exact` tells two long texts apart."""
    start = "长" * 1500
    await shelf.put(a=patient(name=[{"text": start + "甲"}]), b=patient(name=[{"text": start + "乙"}]))
    assert await shelf.found("Patient", f"name={start[:150]}") == {"a", "b"}
    assert await shelf.found("Patient", f"name:exact={start}甲") == {"a"}
    assert await shelf.found("Patient", f"name:exact={start}") == set()
