"""A page link names nobody: docs/adr/0007, docs/adr/0019"""

import base64
import binascii
import secrets
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.builders import patient
from tests.house import Fhir
from tests.shelf import Json, link

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def family(fhir: Fhir) -> str:
    """Three people of one family name that nobody else has."""
    name = "".join(secrets.choice("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨") for _ in range(6))
    for given in "甲乙丙":
        await fhir.created(patient(name=[{"family": name, "text": f"{name}{given}"}]))
    return name


def told(url: str) -> str:
    """All that the link says to who finds it, also in what only looks sealed."""
    found = [url]
    for values in parse_qs(urlsplit(url).query).values():
        for value in values:
            found.append(value)
            try:
                found.append(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("utf-8", "ignore"))
            except binascii.Error:
                continue
    return " ".join(found)


async def everybody(fhir: Fhir, bundle: Json) -> list[str]:
    found = [e["resource"]["id"] for e in bundle["entry"]]
    while url := link(bundle, "next"):
        bundle = (await fhir.get(url)).json()
        found += [e["resource"]["id"] for e in bundle["entry"]]
    return found


@pytest.mark.parametrize("parameter", ["name", "family:exact", "_filter"])
async def test_the_next_page_of_a_search_by_name_names_nobody(fhir: Fhir, family: str, parameter: str) -> None:
    value = f"family eq {family}" if parameter == "_filter" else family
    bundle = (await fhir.get(f"/Patient?{parameter}={quote(value)}&_count=1")).json()
    following = link(bundle, "next")
    assert following is not None
    assert family not in told(following)
    assert quote(family) not in following
    assert len({*await everybody(fhir, bundle)}) == 3


async def test_a_count_beside_a_sealed_link_changes_nothing(fhir: Fhir, family: str) -> None:
    following = link((await fhir.get(f"/Patient?name={quote(family)}&_count=1")).json(), "next")
    page = (await fhir.get(f"{following}&_count=1000")).json()
    assert len(page["entry"]) == 1


async def test_the_place_in_a_list_by_name_names_nobody(fhir: Fhir, family: str) -> None:
    bundle = (await fhir.get(f"/Patient?family={quote(family)}&_sort=family&_count=1")).json()
    assert family not in told(str(link(bundle, "next")))
    assert len({*await everybody(fhir, bundle)}) == 3


async def test_a_chain_to_a_name_is_sealed_as_well(fhir: Fhir, family: str) -> None:
    for who in (await fhir.get(f"/Patient?family={quote(family)}")).json()["entry"]:
        subject = {"reference": f"Patient/{who['resource']['id']}"}
        await fhir.created({"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": subject})
    bundle = (await fhir.get(f"/Flag?subject:Patient.name={quote(family)}&_count=1")).json()
    assert quote(family) not in str(link(bundle, "next"))
    assert len({*await everybody(fhir, bundle)}) == 3


async def test_what_was_asked_in_a_body_stands_in_no_link(fhir: Fhir, family: str) -> None:
    form = urlencode({"name": family, "_count": "2"}).encode()
    bundle = (await fhir.call("POST", "/Patient/_search", form, content_type=FORM)).json()
    own = str(link(bundle, "self"))
    assert quote(family) not in own
    again = (await fhir.get(own)).json()
    assert [e["resource"]["id"] for e in again["entry"]] == [e["resource"]["id"] for e in bundle["entry"]]
    assert quote(family) not in str(link(again, "self"))


async def test_the_self_link_repeats_what_the_url_said(fhir: Fhir, family: str) -> None:
    bundle = (await fhir.get(f"/Patient?name={quote(family)}")).json()
    assert link(bundle, "self") == f"/Patient?name={quote(family)}"
