"""The place in a page link: sealed for its search, opened by every key that is still accepted: docs/adr/0007"""

import base64

import pytest

from services.fhir.outcomes import FhirError
from services.fhir.store.cursors import link_keys, own_keys, seal, unseal

OLD, NEW = b"0123456789abcdef-the-old-key-of-tests", b"fedcba9876543210-the-new-key-of-tests"
SEARCH = "Patient?_sort=family"


def own(internal: bytes) -> bytes:
    return own_keys(link_keys(internal), "hospital", "")


@pytest.mark.parametrize("later", [OLD, OLD + b"," + NEW, NEW + b"," + OLD])
def test_a_link_outlives_each_step_of_a_rotation(later: bytes) -> None:
    place = seal(["a", "b"], SEARCH, own(OLD))
    assert unseal(place, SEARCH, ("text", "text"), own(later)) == ["a", "b"]


@pytest.mark.parametrize(
    ("search", "keys"),
    [
        ("Patient?_sort=name", own(OLD)),
        (SEARCH, own(NEW)),
        (SEARCH, own_keys(link_keys(OLD), "clinic", "")),
        (SEARCH, own_keys(link_keys(OLD), "hospital", "somebody")),
    ],
)
def test_a_link_of_another_search_key_or_caller_is_none(search: str, keys: bytes) -> None:
    with pytest.raises(FhirError) as refused:
        unseal(seal(["a"], SEARCH, own(OLD)), search, ("text",), keys)
    assert refused.value.status == 400


def test_a_place_says_nothing_to_who_finds_it() -> None:
    place = seal(["王秀英"], SEARCH, own(OLD))
    assert "王秀英".encode() not in base64.urlsafe_b64decode(place + "=" * (-len(place) % 4))
