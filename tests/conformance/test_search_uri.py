"""Uri parameters: http://hl7.org/fhir/R4/search.html#uri"""

import pytest

from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Shelf

URL = "http://example.org/fhir/ValueSet/barthel"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"url={URL}", {"plain"}),
        (f"url={URL}/", {"slash"}),
        (f"url={URL.upper()}", set()),
        (f"url={URL[:-1]}", set()),
        ("url=urn:oid:1.2.3", {"oid"}),
        (f"url={URL},urn:oid:1.2.3", {"plain", "oid"}),
        ("url=http://example.org/%E5%80%BC%3Fa%3D1%26b%3D2%23c", {"signs"}),
        (f"url={URL}&url={URL}/", set()),
        ("url:missing=true", {"none"}),
        ("url:missing=false", {"plain", "slash", "oid", "signs"}),
    ],
)
async def test_a_uri_is_matched_whole_and_exactly(shelf: Shelf, query: str, found: set[str]) -> None:
    """http://hl7.org/fhir/R4/search.html#uri: precisely, with case, accents and escapes, and the entire URI."""
    await shelf.put(
        plain=minimal("ValueSet", url=URL),
        slash=minimal("ValueSet", url=f"{URL}/"),
        oid=minimal("ValueSet", url="urn:oid:1.2.3"),
        signs=minimal("ValueSet", url="http://example.org/值?a=1&b=2#c"),
        none=minimal("ValueSet"),
    )
    assert await shelf.found("ValueSet", query) == found


async def test_a_modifier_of_another_type_is_refused(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#modifiers"""
    for modifier in ("contains", "exact", "not", "nonsense"):
        assert_outcome(await shelf.fhir.get(f"/ValueSet?url:{modifier}={URL}"), 400, "not-supported")
