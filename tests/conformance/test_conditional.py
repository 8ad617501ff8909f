"""Every type can be patched and named by criteria: http://hl7.org/fhir/R4/http.html#patch, #ccreate, #cond-update and #cdelete"""

import json
from uuid import uuid4

import pytest

from services.fhir.served import APPEND_ONLY, ServedType
from tests.conformance.served import SERVED, each_type
from tests.house import Fhir, Json
from tests.matchers import assert_outcome
from tests.minimal import minimal

JSON_PATCH = "application/json-patch+json"
TAGS = "http://example.org/tags"
changeable = pytest.mark.parametrize("name", [s.type for s in SERVED if s.interactions != APPEND_ONLY])


def tagged(name: str, tag: str, **changes: object) -> Json:
    return minimal(name, meta={"tag": [{"system": TAGS, "code": tag}]}, **changes)


@each_type
async def test_a_conditional_create_of_each_type_makes_one(fhir: Fhir, served: ServedType) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate: none creates, one is answered and nothing written, several fail."""
    name, tag = served.type, uuid4().hex
    criteria = f"_tag={TAGS}|{tag}"
    first = await fhir.post(f"/{name}", tagged(name, tag), if_none_exist=criteria)
    again = await fhir.post(f"/{name}", tagged(name, tag), if_none_exist=criteria)
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert again.headers["location"] == first.headers["location"]
    assert (await fhir.post(f"/{name}", tagged(name, tag))).status_code == 201
    several = await fhir.post(f"/{name}", tagged(name, tag), if_none_exist=criteria)
    assert_outcome(several, 412, "multiple-matches")


@changeable
async def test_each_type_is_updated_patched_and_deleted_by_criteria(fhir: Fhir, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cond-update, #patch and #cdelete: the one that matches, under its id."""
    tag = uuid4().hex
    path = f"/{name}?_tag={TAGS}|{tag}"
    change = json.dumps([{"op": "add", "path": "/language", "value": "zh-CN"}]).encode()
    assert_outcome(await fhir.call("PATCH", path, change, content_type=JSON_PATCH), 404, "not-found")
    created = await fhir.put(path, tagged(name, tag))
    assert created.status_code == 201, created.text
    own = f"/{name}/{created.json()['id']}"
    updated = await fhir.put(path, tagged(name, tag))
    patched = await fhir.call("PATCH", path, change, content_type=JSON_PATCH)
    assert [a.headers["etag"] for a in (created, updated, patched)] == ['W/"1"', 'W/"2"', 'W/"3"']
    assert (await fhir.get(own)).json()["language"] == "zh-CN"
    direct = await fhir.call("PATCH", own, change, content_type=JSON_PATCH)
    assert (direct.status_code, direct.headers["etag"]) == (200, 'W/"4"')
    assert (await fhir.delete(path)).status_code == 204
    assert_outcome(await fhir.get(own), 410, "deleted")
    assert (await fhir.delete(path)).status_code == 204
