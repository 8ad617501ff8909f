"""A national ID stands in no URL, no link, no refusal and no audit row: docs/adr/0019"""

import base64
import secrets
from datetime import date
from urllib.parse import quote, urlencode

import pytest

from services.fhir.national_ids import holds_national_id, masked
from services.kit.identifiers import id_number
from tests.builders import entry, patient, transaction
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.shelf import Json, link

SYSTEM = "urn:oid:2.16.156.10011.1.3"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def number() -> str:
    return id_number("110105", date(1949, 12, 31), secrets.randbelow(1000))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("11010519491231002X", True),
        ("identifier=urn%3Aoid%3A2.16.156.10011.1.3%7C11010519491231002X&_count=1", True),
        ("身份证号11010519491231002x。", True),
        ("110105194912310021", False),
        ("911010519491231002X", False),
        ("", False),
    ],
)
def test_a_number_is_known_by_its_check_digit(text: str, *, holds: bool) -> None:
    assert holds_national_id(text) is holds
    assert ("19491231" in masked(text)) is ("19491231" in text and not holds)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_url_with_one_is_refused(fhir: Fhir, number: str, method: str) -> None:
    body = patient() if method == "PUT" else b""
    answer = await fhir.call(method, f"/Patient?identifier={quote(f'{SYSTEM}|{number}')}", body)
    assert_outcome(answer, 400, "security")
    assert number not in answer.text


async def stored(fhir: Fhir, number: str, count: int) -> None:
    for _ in range(count):
        who = {"identifier": [{"system": SYSTEM, "value": number}]}
        await fhir.created({"resourceType": "Person", **who})


async def search(fhir: Fhir, number: str) -> Json:
    form = urlencode({"identifier": f"{SYSTEM}|{number}", "_count": "2"})
    answer = await fhir.call("POST", "/Person/_search", form.encode(), content_type=FORM)
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def test_the_links_of_a_search_carry_it_sealed(fhir: Fhir, number: str) -> None:
    await stored(fhir, number, 5)
    bundle = await search(fhir, number)
    found = [e["resource"]["id"] for e in bundle["entry"]]
    assert number not in str(bundle["link"])
    again = (await fhir.get(str(link(bundle, "self")).removeprefix(BASE))).json()
    assert [e["resource"]["id"] for e in again["entry"]] == found
    while url := link(bundle, "next"):
        assert number not in url
        bundle = (await fhir.get(url.removeprefix(BASE))).json()
        found += [e["resource"]["id"] for e in bundle["entry"]]
    assert len(found) == len(set(found)) == 5


async def test_a_sealed_link_is_of_its_institution_and_unbent(fhir: Fhir, number: str) -> None:
    await stored(fhir, number, 3)
    url = str(link(await search(fhir, number), "self")).removeprefix(BASE)
    assert_outcome(await fhir.as_(organization="another").get(url), 400, "value")
    assert_outcome(await fhir.get(url[:-3] + "AAA"), 400, "value")


async def test_the_audit_keeps_it_masked(fhir: Fhir, number: str) -> None:
    own = fhir.as_(request_id=f"r{secrets.token_hex(8)}")
    await search(own, number)
    told = await fhir.get(f"/AuditEvent?entity:identifier={own.caller.request_id}")
    (event,) = told.json()["entry"]
    query = next(e["query"] for e in event["resource"]["entity"] if "query" in e)
    assert base64.b64decode(query).decode() == f"Person?identifier={quote(SYSTEM)}%7C110105************&_count=2"


async def test_an_entry_of_a_batch_may_name_one(fhir: Fhir, number: str) -> None:
    await stored(fhir, number, 1)
    batch = transaction(entry("GET", f"Person?identifier={SYSTEM}|{number}")) | {"type": "batch"}
    (answer,) = (await fhir.post("/", batch)).json()["entry"]
    assert answer["response"]["status"].startswith("200")
    assert len(answer["resource"]["entry"]) == 1
