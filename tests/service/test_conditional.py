"""Criteria instead of an id, and preconditions: http://hl7.org/fhir/R4/http.html#cond-update"""

import asyncio
import json
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.builders import create, observation, patient, transaction
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]
SYSTEM = "http://example.org/mrn"
JSON_PATCH = "application/json-patch+json"


def known(value: str, **changes: Any) -> Json:
    return patient(identifier=[{"system": SYSTEM, "value": value}], **changes)


def criteria(value: str) -> str:
    return f"identifier={SYSTEM}|{value}"


@pytest.fixture
def mrn() -> str:
    return uuid4().hex


async def count(fhir: Fhir, value: str) -> int:
    found = (await fhir.get(f"/Patient?{criteria(value)}&_summary=count")).json()
    total: int = found["total"]
    return total


# ---- create ---------------------------------------------------------------------------------------------------------------


async def test_none_creates_one_answers_it_several_fail(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate"""
    first = await fhir.post("/Patient", known(mrn), if_none_exist=criteria(mrn))
    assert first.status_code == 201
    again = await fhir.post("/Patient", known(mrn, gender="male"), if_none_exist=criteria(mrn))
    assert again.status_code == 200
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == 'W/"1"'
    assert again.json() == first.json()
    await fhir.created(known(mrn))
    assert_outcome(await fhir.post("/Patient", known(mrn), if_none_exist=criteria(mrn)), 412, "multiple-matches")
    assert await count(fhir, mrn) == 2


async def test_a_claim_outlives_nothing(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate: when the resource is gone, or matches no more, the next one is made."""
    first = (await fhir.post("/Patient", known(mrn), if_none_exist=criteria(mrn))).json()
    await fhir.delete(f"/Patient/{first['id']}")
    second = await fhir.post("/Patient", known(mrn), if_none_exist=criteria(mrn))
    assert second.status_code == 201
    changed = second.json() | {"identifier": [{"system": SYSTEM, "value": f"{mrn}-other"}]}
    await fhir.put(f"/Patient/{changed['id']}", changed)
    answers = await asyncio.gather(*(fhir.post("/Patient", known(mrn), if_none_exist=criteria(mrn)) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [200] * 5 + [201]
    assert await count(fhir, mrn) == 1


async def test_many_at_once_make_one(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate: the claim is a unique row in the same transaction (docs/adr/0012)."""
    same = [criteria(mrn), f"identifier={SYSTEM}%7C{mrn}"]
    answers = await asyncio.gather(*(fhir.post("/Patient", known(mrn), if_none_exist=same[n % 2]) for n in range(20)))
    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert len({a.headers["location"] for a in answers}) == 1
    assert await count(fhir, mrn) == 1


async def test_criteria_never_mean_all(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: unknown, empty or ignored criteria are refused."""
    await fhir.created(known(mrn))
    for wrong in (
        "",
        "?",
        "identifier=",
        "nonsense=1",
        f"{criteria(mrn)}&name=",
        "_count=1",
        "_sort=name",
        "identifier",
    ):
        for answer in (
            await fhir.post("/Patient", known(mrn), if_none_exist=wrong),
            await fhir.put(f"/Patient?{wrong}", known(mrn)) if wrong else await fhir.put("/Patient", known(mrn)),
            await fhir.delete(f"/Patient?{wrong}") if wrong else await fhir.delete("/Patient"),
        ):
            assert answer.status_code in (400, 401, 412), (wrong, answer.text)
    assert await count(fhir, mrn) == 1


@pytest.mark.parametrize("criteria", ["patient.name=wang", "_has:Provenance:target:agent=Organization/1&code=8867-4"])
async def test_criteria_take_the_scope_of_each_type_that_they_look_at(fhir: Fhir, criteria: str) -> None:
    """A chain asks by another type's resources, and so needs that type's `s`: trust.md, what lies outside is not told."""
    writer = fhir.as_(scopes=("system/Observation.cruds",))
    asked = {"if_none_exist": criteria}
    assert_outcome(await writer.post("/Observation", observation(), **asked), 403, "forbidden")
    for method in ("PUT", "DELETE"):
        body = observation() if method == "PUT" else b""
        assert_outcome(await writer.call(method, f"/Observation?{criteria}", body), 403, "forbidden")
    entries = [
        create(observation(), ifNoneExist=criteria),
        create(observation(encounter={"reference": "Encounter?patient.name=wang"})),
    ]
    for entry in entries:
        assert_outcome(await writer.post("/", transaction(entry)), 403, "forbidden", "Bundle.entry[0]")


async def test_criteria_take_the_scope_of_a_search(fhir: Fhir, mrn: str) -> None:
    """https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html: `s` is to search."""
    writer = fhir.as_(scopes=("system/Patient.cud",))
    assert_outcome(await writer.post("/Patient", known(mrn), if_none_exist=criteria(mrn)), 403, "forbidden")
    assert_outcome(await writer.put(f"/Patient?{criteria(mrn)}", known(mrn)), 403, "forbidden")
    assert_outcome(await writer.delete(f"/Patient?{criteria(mrn)}"), 403, "forbidden")


# ---- update ---------------------------------------------------------------------------------------------------------------


async def test_conditional_update_none_creates(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: no matches, no id provided."""
    made = await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn))
    assert made.status_code == 201
    assert made.headers["location"].startswith(f"{BASE}/Patient/{made.json()['id']}/_history/1")
    assert await count(fhir, mrn) == 1


async def test_conditional_update_none_and_an_id_is_update_as_create(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: no matches, id provided."""
    made = await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn, id=f"p-{mrn}"))
    assert made.status_code == 201
    assert made.json()["id"] == f"p-{mrn}"
    other = f"{mrn}-other"
    taken = await fhir.put(f"/Patient?{criteria(other)}", known(other, id=f"p-{mrn}"))
    assert_outcome(taken, 409, "conflict")


async def test_conditional_update_one_updates_it(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: one match, no id or the same id."""
    stored = await fhir.created(known(mrn))
    updated = await fhir.put(f"/Patient?{criteria(mrn)}&_format=json", known(mrn, gender="male"))
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
    assert updated.json()["id"] == stored["id"]
    named = await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn, id=stored["id"]), if_match='W/"2"')
    assert (named.status_code, named.headers["etag"]) == (200, 'W/"3"')
    stale = await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn), if_match='W/"2"')
    assert_outcome(stale, 412, "conflict")


async def test_conditional_update_one_and_another_id_is_refused(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: one match, another id: 400."""
    await fhir.created(known(mrn))
    answer = await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn, id="somebody-else"))
    assert_outcome(answer, 400, "value", "Patient.id")


async def test_conditional_update_several_fail(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update: multiple matches: 412."""
    await fhir.created(known(mrn))
    await fhir.created(known(mrn))
    assert_outcome(await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn)), 412, "multiple-matches")


async def test_parallel_conditional_updates_make_one_and_lose_none(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update"""
    answers = await asyncio.gather(*(fhir.put(f"/Patient?{criteria(mrn)}", known(mrn)) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert sorted(a.headers["etag"] for a in answers) == [f'W/"{n}"' for n in range(1, 9)]


async def test_if_match_on_what_nothing_matches_fails(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency"""
    assert_outcome(await fhir.put(f"/Patient?{criteria(mrn)}", known(mrn), if_match='W/"1"'), 412, "conflict")


# ---- patch and delete -----------------------------------------------------------------------------------------------------


async def test_conditional_patch(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#patch: none is 404, several are 412."""
    change = json.dumps([{"op": "add", "path": "/gender", "value": "female"}]).encode()
    path = f"/Patient?{criteria(mrn)}"
    assert_outcome(await fhir.call("PATCH", path, change, content_type=JSON_PATCH), 404, "not-found")
    await fhir.created(known(mrn))
    patched = await fhir.call("PATCH", path, change, content_type=JSON_PATCH)
    assert (patched.status_code, patched.json()["gender"]) == (200, "female")
    await fhir.created(known(mrn))
    assert_outcome(await fhir.call("PATCH", path, change, content_type=JSON_PATCH), 412, "multiple-matches")


async def test_conditional_delete_deletes_one_or_none(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cdelete: `single`, as the CapabilityStatement says."""
    path = f"/Patient?{criteria(mrn)}"
    assert (await fhir.delete(path)).status_code == 204
    stored = await fhir.created(known(mrn))
    assert (await fhir.delete(path)).status_code == 204
    assert (await fhir.get(f"/Patient/{stored['id']}")).status_code == 410
    one, other = await fhir.created(known(mrn)), await fhir.created(known(mrn))
    assert_outcome(await fhir.delete(path), 412, "multiple-matches")
    assert [(await fhir.get(f"/Patient/{p['id']}")).status_code for p in (one, other)] == [200, 200]


# ---- preconditions of an instance -----------------------------------------------------------------------------------------


async def test_if_none_match_star_only_creates(fhir: Fhir, mrn: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2: false where there is a current representation."""
    path = f"/Patient/p-{mrn}"
    assert (await fhir.put(path, known(mrn, id=f"p-{mrn}"), if_none_match="*")).status_code == 201
    assert_outcome(await fhir.put(path, known(mrn, id=f"p-{mrn}"), if_none_match="*"), 412, "conflict")
    await fhir.delete(path)
    assert (await fhir.put(path, known(mrn, id=f"p-{mrn}"), if_none_match="*")).status_code == 201


async def test_conditional_read(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#cread"""
    stored = await fhir.created(observation())
    path = f"/Observation/{stored['id']}"
    updated = datetime.fromisoformat(stored["meta"]["lastUpdated"])
    before, after = (format_datetime(updated + timedelta(seconds=s), usegmt=True) for s in (-5, 5))
    modified = (await fhir.get(path)).headers["last-modified"]
    assert (await fhir.get(path, if_modified_since=modified)).status_code == 304
    assert (await fhir.get(path, if_modified_since=after)).status_code == 304
    assert (await fhir.get(path, if_modified_since=before)).status_code == 200
    assert (await fhir.get(path, if_modified_since="yesterday")).status_code == 200
    assert (await fhir.get(path, if_modified_since=after, if_none_match='W/"7"')).status_code == 200
    unchanged = await fhir.get(path, if_none_match='W/"1"')
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", 'W/"1"')


async def test_a_part_of_a_resource_cannot_replace_the_whole(fhir: Fhir, mrn: str) -> None:
    """http://hl7.org/fhir/R4/search.html#summary: a SUBSETTED resource is not the whole."""
    stored = await fhir.created(known(mrn))
    tag = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    part = {"resourceType": "Patient", "id": stored["id"], "meta": {"tag": [tag]}}
    assert_outcome(await fhir.put(f"/Patient/{stored['id']}", part), 422, "business-rule", "Patient.meta.tag")
    assert (await fhir.get(f"/Patient/{stored['id']}")).json() == stored
