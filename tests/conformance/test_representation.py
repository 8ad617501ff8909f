"""What a client sends comes back as it was sent: http://hl7.org/fhir/R4/json.html"""

import json
from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.builders import create, observation, patient, transaction
from tests.house import Fhir, Json
from tests.minimal import minimal

NUMBERS: Final = (
    "1.00",
    "19",
    "0.010",
    "12345678901234567890.12345",
    "1.0E+2",
    "1e-7",
    "-0.50",
    "0.0",
    "-0",
    "100000000000000000000000",
    "0.1234567890123456789012345678901234567890",
)
TEXTS: Final = (
    "𠮷野家 𡈽屋",
    "e\u0301 \u0e19\u0e49\u0e33",
    "👩🏽‍⚕️ 🧓",
    "王\u200d秀",
    "a\tb\nc",
    'quo"te \\ back',
    "行\u2028行",
    "ﬁ Ａ",
)


async def everywhere(fhir: Fhir, resource: bytes) -> AsyncIterator[tuple[str, str]]:
    """The text of the resource in each answer that carries it, by the name of the interaction."""
    name = json.loads(resource)["resourceType"]
    created = await fhir.post(f"/{name}", resource)
    assert created.status_code == 201, created.text
    path = f"/{name}/{created.json()['id']}"
    yield "create", created.text
    yield "read", (await fhir.get(path)).text
    yield "vread", (await fhir.get(f"{path}/_history/1")).text
    yield "search", (await fhir.get(f"/{name}?_id={created.json()['id']}")).text
    yield "history", (await fhir.get(f"{path}/_history")).text
    bundle = json.dumps(transaction(create({"resourceType": name}))).encode()
    bundle = bundle.replace(f'{{"resourceType": "{name}"}}'.encode(), resource)
    yield "transaction", (await fhir.post("/", bundle, prefer="return=representation")).text


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_decimal_keeps_its_digits_and_scale_everywhere(fhir: Fhir, number: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#decimal: the precision of a decimal has significance."""
    body = json.dumps(observation(valueQuantity={"value": 72}), separators=(",", ":")).replace("72", number).encode()
    async for interaction, text in everywhere(fhir, body):
        assert f'"valueQuantity":{{"value":{number}}}' in text, interaction


@pytest.mark.parametrize(
    "text",
    [
        "2024",
        "2024-05",
        "2024-02-29",
        "2024-05-01T10:00:00+08:00",
        "2024-05-01T02:00:00Z",
        "2024-05-01T10:00:00.120+08:00",
        "2016-12-31T23:59:60Z",
        "0001-01-01",
        "9999-12-31T23:59:59.999999-12:00",
    ],
)
async def test_a_date_is_never_rewritten(fhir: Fhir, text: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#dateTime: precision and zone are the author's."""
    body = json.dumps(observation(effectiveDateTime=text), separators=(",", ":")).encode()
    async for interaction, answer in everywhere(fhir, body):
        assert f'"effectiveDateTime":"{text}"' in answer, interaction


@pytest.mark.parametrize("text", TEXTS)
async def test_any_character_of_unicode_is_ordinary_text(fhir: Fhir, text: str) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#string: any Unicode but the control characters, four bytes or combining."""
    for ascii_only in (True, False):
        body = json.dumps(patient(name=[{"text": text}]), ensure_ascii=ascii_only).encode()
        stored = (await fhir.post("/Patient", body)).json()
        assert (await fhir.get(f"/Patient/{stored['id']}")).json()["name"] == [{"text": text}]


async def test_extensions_of_primitives_stay_with_their_values(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/json.html#primitive: null where a value or an extension is absent, in the same order."""
    nickname = {"extension": [{"url": "http://example.org/nickname", "valueBoolean": True}]}
    elements: Json = {
        "_birthDate": {"extension": [{"url": "http://example.org/unknown", "valueCode": "asked"}]},
        "gender": "female",
        "_gender": {"id": "g"},
        "name": [{"given": ["秀英", None, "阿英"], "_given": [None, nickname, nickname]}],
    }
    stored = await fhir.created(patient(**elements))
    assert {name: stored[name] for name in elements} == elements
    assert (await fhir.get(f"/Patient/{stored['id']}")).json() == stored


async def test_the_order_of_properties_is_kept(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/json.html: properties may come in any order, also before `resourceType`."""
    body = '{"gender":"female","active":true,"resourceType":"Patient","name":[{"text":"王","family":"王"}],"birthDate":"1931"}'
    stored = (await fhir.post("/Patient", body.encode())).text
    assert stored.endswith('"gender":"female","active":true,"name":[{"text":"王","family":"王"}],"birthDate":"1931"}')


async def test_the_clients_version_is_ignored_and_the_rest_of_its_meta_is_kept(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#create: versionId and lastUpdated are the server's own."""
    kept = {
        "profile": ["http://example.org/profile"],
        "tag": [{"system": "http://example.org", "code": "a"}],
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
        "source": "http://example.org/source",
        "extension": [{"url": "http://example.org/e", "valueString": "e"}],
    }
    sent = patient(meta={"versionId": "99", "lastUpdated": "2001-01-01T00:00:00Z", **kept})
    stored = await fhir.created(sent)
    updated = (await fhir.put(f"/Patient/{stored['id']}", stored | {"meta": sent["meta"]})).json()
    for resource, version in ((stored, "1"), (updated, "2")):
        own = {name: resource["meta"].pop(name) for name in ("versionId", "lastUpdated")}
        assert own["versionId"] == version
        assert own["lastUpdated"] > "2020"
        assert resource["meta"] == kept


async def test_contained_resources_extensions_and_narrative_are_kept(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/references.html#contained and http://hl7.org/fhir/R4/narrative.html"""
    sent = observation(
        text={
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>脉搏 &lt; 80&nbsp;次</p></div>',
        },
        contained=[minimal("Practitioner", id="p1")],
        performer=[{"reference": "#p1"}],
        extension=[
            {
                "url": "http://example.org/e",
                "extension": [{"url": "a", "valueDecimal": 1}, {"url": "b", "valueDate": "2024"}],
            }
        ],
    )
    stored = await fhir.created(sent)
    assert {name: stored[name] for name in sent} == sent


async def test_white_space_and_escapes_between_and_in_values_change_nothing(fhir: Fhir) -> None:
    """https://www.rfc-editor.org/rfc/rfc8259#section-2 and #section-7"""
    body = b'\r\n{ "resourceType" :\t"Patient", "\\u0067ender": "f\\u0065male" ,"name":[ {"text":"\\u738b\\ud842\\udfb7"}]}\n'
    stored = (await fhir.post("/Patient", body)).json()
    assert (stored["gender"], stored["name"]) == ("female", [{"text": "王𠮷"}])
    assert (await fhir.get(f"/Patient?_id={stored['id']}&gender=female&name=%E7%8E%8B")).json()["entry"]


async def test_a_resource_of_many_repeats_is_kept_whole(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/datatypes.html#maxsize: no size is too large but those that a server names."""
    given = [f"名{n}" for n in range(3000)]
    stored = await fhir.created(patient(name=[{"given": given}]))
    assert stored["name"] == [{"given": given}]
    found = (await fhir.get(f"/Patient?_id={stored['id']}&given=%E5%90%8D2999")).json()
    assert found["entry"][0]["resource"] == stored
