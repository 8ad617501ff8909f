"""DocumentReference and Binary: content is served as it is, and what is said of it is borne out: http://hl7.org/fhir/R4/binary.html"""

import base64
import hashlib
from typing import Any, Final
from uuid import uuid4

import pytest

from tests.builders import batch, create, entry, known_patient, transaction, urn
from tests.house import BASE, FHIR_JSON, Fhir, Json
from tests.matchers import assert_outcome

CONTENT: Final = "出院小结：病情平稳。".encode()
DIGEST: Final = base64.b64encode(hashlib.sha1(CONTENT, usedforsecurity=False).digest()).decode()
TEXT: Final = "text/plain; charset=utf-8"
PLACE: Final = "DocumentReference.content[0].attachment"


def binary(content: bytes = CONTENT, **changes: Any) -> Json:
    return {"resourceType": "Binary", "contentType": TEXT, "data": base64.b64encode(content).decode(), **changes}


def document(**attachment: Any) -> Json:
    return {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"home-{uuid4().hex[:8]}")


async def kept(home: Fhir, content: bytes = CONTENT, **changes: Any) -> str:
    return f"Binary/{(await home.created(binary(content, **changes)))['id']}"


# ---- content as it is ----------------------------------------------------------------------------------------------------------------


async def test_who_does_not_ask_for_fhir_gets_the_content(home: Fhir) -> None:
    name = await kept(home)
    for accept in ("", "*/*", "text/plain", "text/*;q=0.5", "image/png, text/plain;q=0.1"):
        answer = await home.get(f"/{name}", accept=accept)
        assert answer.status_code == 200, accept
        assert answer.content == CONTENT
        assert answer.headers["content-type"] == TEXT
        assert answer.headers["etag"] == 'W/"1"'


async def test_who_asks_for_fhir_gets_the_resource(home: Fhir) -> None:
    name = await kept(home)
    for accept in (FHIR_JSON, "application/json", f"text/plain;q=0.4, {FHIR_JSON}"):
        assert (await home.get(f"/{name}", accept=accept)).json()["resourceType"] == "Binary"
    assert (await home.get(f"/{name}?_format=json", accept="text/plain")).json()["resourceType"] == "Binary"
    assert (await home.get(f"/{name}?_summary=true", accept="*/*")).json()["resourceType"] == "Binary"
    answer = await home.post("/", batch(entry("GET", name)))
    assert answer.json()["entry"][0]["resource"]["resourceType"] == "Binary"


async def test_who_takes_neither_is_told_so(home: Fhir) -> None:
    name = await kept(home)
    assert_outcome(await home.get(f"/{name}", accept="image/png"), 406, "not-supported")


async def test_content_that_is_json_is_given_to_who_takes_anything(home: Fhir) -> None:
    name = await kept(home, b'{"a":1.00}', contentType="application/json")
    assert (await home.get(f"/{name}", accept="*/*")).content == b'{"a":1.00}'
    assert (await home.get(f"/{name}", accept="application/json")).json()["resourceType"] == "Binary"


async def test_nothing_in_it_acts(home: Fhir) -> None:
    name = await kept(home, b"<script>alert(1)</script>", contentType="text/html")
    answer = await home.get(f"/{name}", accept="text/html")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment"


async def test_an_older_version_and_none_at_all(home: Fhir) -> None:
    name = await kept(home)
    stored = binary(b"neu", id=name.partition("/")[2])
    assert (await home.put(f"/{name}", stored)).status_code == 200
    assert (await home.get(f"/{name}/_history/1", accept="*/*")).content == CONTENT
    assert (await home.get(f"/{name}", accept="*/*", if_none_match='W/"2"')).status_code == 304
    assert_outcome(await home.get("/Binary/nobody", accept="*/*"), 404, "not-found")
    await home.delete(f"/{name}")
    assert_outcome(await home.get(f"/{name}", accept="*/*"), 410, "deleted")


async def test_content_can_be_sent_as_it_is(home: Fhir) -> None:
    elder = await home.created(known_patient())
    context = f"Patient/{elder['id']}"
    answer = await home.post("/Binary", CONTENT, content_type=TEXT, x_security_context=context)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert base64.b64decode(stored["data"]) == CONTENT
    assert stored["contentType"] == TEXT
    read = await home.get(f"/Binary/{stored['id']}", accept="*/*")
    assert read.content == CONTENT
    assert read.headers["x-security-context"] == context
    assert (await home.put(f"/Binary/{stored['id']}", b"%PDF-", content_type="application/pdf")).status_code == 200
    assert (await home.get(f"/Binary/{stored['id']}", accept="*/*")).content == b"%PDF-"


async def test_nobody_puts_content_under_a_patient_out_of_reach(home: Fhir) -> None:
    elder = await home.created(known_patient())
    stranger = home.as_(organization="documents-stranger")
    context = f"Patient/{elder['id']}"
    for kind, body in ((TEXT, CONTENT), (FHIR_JSON, binary(securityContext={"reference": context}))):
        answer = await stranger.post("/Binary", body, content_type=kind, x_security_context=context)
        assert answer.status_code == 422, answer.text
        assert answer.json()["issue"][0]["expression"] == ["Binary.securityContext"]


async def test_what_has_no_type_is_refused(home: Fhir) -> None:
    for kind in ("application/fhir+xml", "multipart/form-data; boundary=x", "text"):
        assert_outcome(await home.post("/Binary", CONTENT, content_type=kind), 415, "not-supported")
    assert_outcome(await home.post("/Patient", CONTENT, content_type=TEXT), 415, "not-supported")


# ---- what is said of the content -----------------------------------------------------------------------------------------------------


async def test_a_document_that_says_what_its_binary_holds(home: Fhir) -> None:
    name = await kept(home)
    right = {"contentType": "text/plain", "size": len(CONTENT), "hash": DIGEST}
    for url in (name, f"{BASE}/{name}", f"{BASE}/{name}/_history/1"):
        await home.created(document(url=url, **right))


@pytest.mark.parametrize(
    ("said", "element"),
    [({"size": 3}, "size"), ({"hash": base64.b64encode(b"0" * 20).decode()}, "hash"), ({"contentType": "image/png"}, "contentType")],
)  # fmt: skip
async def test_a_document_that_says_something_else(home: Fhir, said: Json, element: str) -> None:
    name = await kept(home)
    answer = await home.post("/DocumentReference", document(url=name, **said))
    outcome = assert_outcome(answer, 422, "value", f"{PLACE}.{element}")
    assert "内容" in outcome["issue"][0]["details"]["text"]


async def test_all_that_is_wrong_is_told_at_once(home: Fhir) -> None:
    answer = await home.post("/DocumentReference", document(url=await kept(home), size=1, hash="AAAA"))
    places = [each["expression"][0] for each in answer.json()["issue"]]
    assert places == [f"{PLACE}.size", f"{PLACE}.hash"]


async def test_content_inside_of_the_document_is_held_to_it_too(home: Fhir) -> None:
    data = base64.b64encode(CONTENT).decode()
    await home.created(document(contentType="text/plain", data=data, size=len(CONTENT), hash=DIGEST))
    answer = await home.post("/DocumentReference", document(contentType="text/plain", data=data, size=1))
    assert_outcome(answer, 422, "value", f"{PLACE}.size")


async def test_a_binary_of_the_same_transaction(home: Fhir) -> None:
    url = urn()
    right = transaction(create(binary(), url), create(document(url=url, size=len(CONTENT), hash=DIGEST)))
    assert (await home.post("/", right)).status_code == 200
    wrong = transaction(create(document(url=url, size=1)), create(binary(), url))
    answer = await home.post("/", wrong)
    assert_outcome(answer, 422, "value", f"Bundle.entry[0].resource.{PLACE.partition('.')[2]}.size")


async def test_what_lies_elsewhere_is_not_looked_into(home: Fhir) -> None:
    await home.created(document(url="https://elsewhere.example/Binary/1", size=1, hash="AAAA"))
    await home.created(document(url="Binary/nobody", size=1))


async def test_a_binary_out_of_reach_tells_nothing_of_itself(home: Fhir) -> None:
    elder = await home.created(known_patient())
    name = await kept(home, securityContext={"reference": f"Patient/{elder['id']}"})
    stranger = home.as_(organization="documents-stranger")
    assert (await stranger.get(f"/{name}")).status_code == 404
    await stranger.created(document(url=name, size=1))
    await stranger.created(document(url=name, size=len(CONTENT)))


async def test_what_was_wrong_before_is_no_new_mistake(home: Fhir) -> None:
    """The Binary has changed since; the document can still be changed elsewhere, or put right."""
    name = await kept(home)
    made = await home.created(document(url=name, size=len(CONTENT)))
    await home.put(f"/{name}", binary(b"neu", id=name.partition("/")[2]))
    path = f"/DocumentReference/{made['id']}"
    assert (await home.put(path, made | {"description": "出院小结"})).status_code == 200
    assert_outcome(await home.put(path, made | document(url=name, size=4)), 422, "value", f"{PLACE}.size")
    assert (await home.put(path, made | document(url=name, size=3))).status_code == 200
