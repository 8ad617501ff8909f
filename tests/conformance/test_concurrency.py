"""Versions under If-Match, If-None-Match and writers at the same time: http://hl7.org/fhir/R4/http.html#concurrency"""

import asyncio

import pytest

from tests.builders import patient
from tests.house import Fhir
from tests.matchers import assert_outcome


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', 'W/"7", W/"1"', '"7","1"', "*", '  W/"1"  '])
async def test_an_if_match_that_names_the_version_lets_an_update_pass(fhir: Fhir, tag: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1: a list of entity tags, or `*`."""
    stored = await fhir.created(patient())
    updated = await fhir.put(f"/Patient/{stored['id']}", stored, if_match=tag)
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')


@pytest.mark.parametrize("tag", ['W/"2"', '"0"', 'W/""', 'W/"11"', 'W/"01"', 'W/"7", "8"'])
async def test_a_stale_if_match_writes_no_version(fhir: Fhir, tag: str) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency: 412 Precondition Failed."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    assert_outcome(await fhir.put(path, stored, if_match=tag), 412, "conflict")
    assert_outcome(await fhir.delete(path, if_match=tag), 412, "conflict")
    assert (await fhir.get(path)).json() == stored


@pytest.mark.parametrize("tag", ["1", "W/1", "W/'1'", 'w/"1"', '"1', '"1" "2"', "abc", ",", "* , *"])
async def test_a_malformed_if_match_is_refused_and_never_ignored(fhir: Fhir, tag: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3: entity-tag = [ weak ] opaque-tag, `W/` in capitals."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    assert_outcome(await fhir.put(path, stored, if_match=tag), 400, "value")
    assert_outcome(await fhir.delete(path, if_match=tag), 400, "value")
    assert (await fhir.get(path)).json() == stored


async def test_if_match_on_what_is_not_there_fails(fhir: Fhir) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1: false where there is no current representation."""
    assert_outcome(await fhir.put("/Patient/not-there", patient(id="not-there"), if_match='W/"1"'), 412, "conflict")
    assert_outcome(await fhir.put("/Patient/not-there", patient(id="not-there"), if_match="*"), 412, "conflict")
    assert_outcome(await fhir.get("/Patient/not-there"), 404, "not-found")


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', 'W/"7", W/"1"', "*"])
async def test_if_none_match_on_a_read_saves_the_body(fhir: Fhir, tag: str) -> None:
    """http://hl7.org/fhir/R4/http.html#cread: 304 and no content."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    unchanged = await fhir.get(path, if_none_match=tag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == 'W/"1"'
    await fhir.put(path, stored)
    if tag != "*":
        assert (await fhir.get(path, if_none_match=tag)).status_code == 200


async def test_parallel_updates_each_get_their_own_consecutive_version(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency: no update is lost; who comes too late is told."""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    genders = ("male", "female", "other", "unknown") * 3
    answers = await asyncio.gather(*(fhir.put(path, stored | {"gender": g}) for g in genders))
    won = [a for a in answers if a.status_code == 200]
    assert {a.status_code for a in answers} <= {200, 409, 412}
    assert sorted(int(a.json()["meta"]["versionId"]) for a in won) == list(range(2, 2 + len(won)))
    for answer in won:
        version = answer.json()["meta"]["versionId"]
        assert (await fhir.get(f"{path}/_history/{version}")).content == answer.content


async def test_of_parallel_updates_with_the_same_if_match_one_wins(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency"""
    stored = await fhir.created(patient())
    path = f"/Patient/{stored['id']}"
    answers = await asyncio.gather(*(fhir.put(path, stored, if_match='W/"1"') for _ in range(10)))
    assert sorted({a.status_code for a in answers}) in ([200, 409], [200, 412], [200, 409, 412])
    assert [a.status_code for a in answers].count(200) == 1
    assert len((await fhir.get(f"{path}/_history")).json()["entry"]) == 2


async def test_of_parallel_creates_under_one_id_one_creates_and_none_is_lost(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#upsert"""
    answers = await asyncio.gather(*(fhir.put("/Patient/contested", patient(id="contested")) for _ in range(8)))
    assert [a.status_code for a in answers].count(201) == 1
    assert {a.status_code for a in answers} <= {200, 201, 409}
    versions = (await fhir.get("/Patient/contested/_history")).json()["entry"]
    assert len(versions) == [a.status_code < 300 for a in answers].count(True)
