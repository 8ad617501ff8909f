"""Scopes with parameters at every door: docs/adr/0049. What they leave of reads is compared by tests/leak for random requests."""

import pytest

from gateway.keys import KeyPair
from tests.builders import batch, coded, entry, observation, transaction
from tests.front import Front
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

HEART, WEIGHT = (coded("http://loinc.org", code) for code in ("8867-4", "29463-7"))
SCOPES = ("system/Observation.cruds?code=8867-4", "system/Patient.cruds")


@pytest.fixture
async def whole(fhir: Fhir) -> Fhir:
    return fhir.as_(organization="limits")


@pytest.fixture
def part(whole: Fhir) -> Fhir:
    return whole.as_(scopes=SCOPES)


async def measured(fhir: Fhir, code: Json) -> Json:
    return await fhir.created(observation(code=code))


async def test_what_lies_outside_is_not_there(whole: Fhir, part: Fhir) -> None:
    seen, hidden = await measured(whole, HEART), await measured(whole, WEIGHT)
    assert (await part.get(f"/Observation/{seen['id']}")).status_code == 200
    assert_outcome(await part.get(f"/Observation/{hidden['id']}"), 404, "not-found")
    assert_outcome(await part.put(f"/Observation/{hidden['id']}", hidden), 404, "not-found")
    assert (await part.delete(f"/Observation/{hidden['id']}")).status_code == 204
    assert (await whole.get(f"/Observation/{hidden['id']}")).status_code == 200


async def test_nothing_is_written_beyond_it(whole: Fhir, part: Fhir) -> None:
    seen = await measured(whole, HEART)
    assert_outcome(await part.post("/Observation", {**seen, "code": WEIGHT}), 403, "forbidden")
    assert_outcome(await part.put(f"/Observation/{seen['id']}", {**seen, "code": WEIGHT}), 403, "forbidden")
    assert_outcome(
        await part.put("/Observation/limits-new", {**seen, "id": "limits-new", "code": WEIGHT}), 403, "forbidden"
    )
    sent = transaction(entry("POST", "Observation", {**seen, "code": WEIGHT}))
    assert_outcome(await part.post("/", sent), 403, "forbidden")
    patch = b'[{"op":"replace","path":"/code/coding/0/code","value":"29463-7"}]'
    kind = "application/json-patch+json"
    refused = await part.call("PATCH", f"/Observation/{seen['id']}", patch, content_type=kind)
    assert_outcome(refused, 403, "forbidden")
    assert (await part.put(f"/Observation/{seen['id']}", {**seen, "status": "amended"})).status_code == 200


async def test_a_letter_of_its_own_says_what_may_be_changed(whole: Fhir) -> None:
    reader = whole.as_(scopes=("system/Observation.rs", "system/Observation.cud?code=8867-4", "system/Patient.rs"))
    weight = await measured(whole, WEIGHT)
    assert (await reader.get(f"/Observation/{weight['id']}")).status_code == 200
    assert_outcome(await reader.put(f"/Observation/{weight['id']}", weight), 403, "forbidden")
    assert_outcome(await reader.delete(f"/Observation/{weight['id']}"), 403, "forbidden")


async def test_a_version_is_seen_by_what_it_was_and_what_became_of_it(whole: Fhir, part: Fhir) -> None:
    then = await measured(whole, HEART)
    assert (await whole.put(f"/Observation/{then['id']}", {**then, "code": WEIGHT})).status_code == 200
    assert_outcome(await part.get(f"/Observation/{then['id']}/_history/1"), 404, "not-found")
    assert_outcome(await part.get(f"/Observation/{then['id']}/_history"), 404, "not-found")
    assert (await whole.put(f"/Observation/{then['id']}", then)).status_code == 200
    versions = (await part.get(f"/Observation/{then['id']}/_history?_count=1")).json()
    assert [e["resource"]["meta"]["versionId"] for e in versions["entry"]] == ["3"]
    following = next(each["url"] for each in versions["link"] if each["relation"] == "next")
    rest = (await part.get("/" + following.partition("/fhir/")[2])).json()
    assert [e["resource"]["meta"]["versionId"] for e in rest["entry"]] == ["1"]
    assert_outcome(await part.get(f"/Observation/{then['id']}/_history/2"), 404, "not-found")
    assert (await part.delete(f"/Observation/{then['id']}")).status_code == 204
    assert_outcome(await part.get(f"/Observation/{then['id']}"), 404, "not-found")


async def test_an_operation_that_looks_at_no_parameters_needs_the_type_whole(whole: Fhir, part: Fhir) -> None:
    meta, lookup = entry("GET", "Observation/$meta"), entry("GET", "CodeSystem/$lookup?system=http://loinc.org&code=1")
    limited = part.as_(scopes=(*SCOPES, "system/CodeSystem.rs?status=active"))
    answer = (await limited.post("/", batch(meta, lookup))).json()["entry"]
    assert [each["response"]["status"][:3] for each in answer] == ["200", "403"]


async def test_they_are_registered_granted_and_passed_on(front: Front, keys: KeyPair) -> None:
    await front.register(keys, "system/Observation.rs?code=8867-4 system/Task.rs")
    answer = await front.ask_token(keys, "system/Observation.rs system/Task.rs?status=ready")
    assert answer.json()["scope"] == "system/Observation.rs?code=8867-4 system/Task.rs?status=ready"
    headers = await front.bearer(keys, "system/Observation.rs?status=final")
    assert (await front.http.get("/fhir/Observation", headers=headers)).status_code == 200
    assert front.mirror.seen[-1]["caller"]["scopes"] == ("system/Observation.rs?status=final&code=8867-4",)
    assert (await front.http.post("/fhir/Observation", headers=headers, json={})).status_code == 403
    assert (await front.http.get("/fhir/Observation/$meta", headers=headers)).status_code == 200
    assert (await front.http.get("/fhir/Observation/1/$page", headers=headers)).status_code == 403


async def test_what_no_resource_can_be_held_to_is_told_at_the_token_endpoint(front: Front, keys: KeyPair) -> None:
    await front.register(keys, "system/Observation.rs")
    answer = await front.ask_token(keys, "system/Observation.rs?subject:Patient.gender=female")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert "no chain" in answer.json()["error_description"]
