"""Each access is one AuditEvent of BALP, made from its audit row; a patient learns of it: https://profiles.ihe.net/ITI/BALP/"""

import base64
import secrets
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.fhir.audit import row
from services.fhir.search.index import index
from services.fhir.store.audit_log import AuditLog
from services.fhir.validation import validate
from services.kit.clock import SystemClock
from services.kit.database import Database
from tests.builders import observation, patient
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.shelf import link


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
def own(fhir: Fhir) -> Fhir:
    """A caller whose requests no other test makes."""
    return fhir.as_(request_id=f"r{secrets.token_hex(8)}", practitioner="Practitioner/dr")


async def events(fhir: Fhir, criteria: str = "") -> list[dict[str, Any]]:
    """What the audit remembers of the requests of this caller."""
    told = await fhir.as_(request_id="looking").get(
        f"/AuditEvent?entity:identifier={fhir.caller.request_id}&_sort=date{criteria}"
    )
    assert told.status_code == 200, told.text
    return [entry["resource"] for entry in told.json()["entry"]] if told.json().get("entry") else []


async def same_as_indexed(event: dict[str, Any], database: Database) -> None:
    """A valid resource, whose row in the view is what the index would make of it."""
    validate(event)
    async with database.connection() as connection:
        tokens, strings, lo, hi = await connection.fetchrow(
            "SELECT tokens, strings, date_lo, date_hi FROM fhir.auditevents WHERE id = $1", event["id"]
        )
    expected = index("AuditEvent", BASE, ZoneInfo("Asia/Shanghai"))(event)
    assert set(tokens) == set(expected.tokens)
    assert strings == list(expected.strings)
    assert (lo, hi) == (expected.dates["date"].lo, expected.dates["date"].hi)


async def test_a_read_is_one_event_that_says_who_what_and_why(own: Fhir) -> None:
    made = await own.as_(request_id="before").created(patient())
    await own.get(f"/Patient/{made['id']}")
    (event,) = await events(own)
    assert event["subtype"][0]["code"] == "read"
    assert (event["action"], event["outcome"]) == ("R", "0")
    assert event["meta"]["profile"] == [
        "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"
    ]
    who = [agent["who"] for agent in event["agent"]]
    assert {"reference": "Organization/hospital"} in who
    assert {"reference": "Practitioner/dr"} in who
    assert {"identifier": {"system": "https://yiyang.example/fhir/sid/client", "value": "his"}} in who
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert event["agent"][0]["policy"] == ["urn:jti:jti-1"]
    assert [e["what"].get("reference") for e in event["entity"]] == [None, f"Patient/{made['id']}"]


async def test_an_event_is_read_by_its_id_and_stays_the_same(own: Fhir) -> None:
    await own.get("/Patient/nobody")
    (event,) = await events(own)
    for _ in range(2):
        answer = await own.get(f"/AuditEvent/{event['id']}")
        assert answer.status_code == 200
        assert answer.json() == event
    assert answer.headers["etag"] == 'W/"1"'
    assert (await own.get(f"/AuditEvent/{event['id']}/_history/1")).json() == event


async def test_nobody_changes_an_event(own: Fhir) -> None:
    await own.get("/Patient/nobody")
    (event,) = await events(own)
    for answer in (
        await own.put(f"/AuditEvent/{event['id']}", event),
        await own.delete(f"/AuditEvent/{event['id']}"),
        await own.call("PATCH", f"/AuditEvent/{event['id']}", b"[]", content_type="application/json-patch+json"),
    ):
        assert answer.status_code == 405
    assert (await own.get(f"/AuditEvent/{event['id']}")).json() == event


@pytest.mark.parametrize(
    ("path", "status", "subtype"),
    [
        ("/Patient/nobody", 404, "read"),
        ("/Observation/nobody", 404, "read"),
        ("/Patient/nobody/_history/1", 404, "vread"),
        ("/Patient?name=x", 200, "search-type"),
        ("/Patient/nobody/_history", 404, "history-instance"),
        ("/Patient/nobody/$everything", 404, "operation"),
        ("/Patient/nobody/$meta", 404, "operation"),
    ],
)
async def test_each_request_is_one_event(own: Fhir, path: str, status: int, subtype: str) -> None:
    assert (await own.get(path)).status_code == status
    (event,) = await events(own)
    assert event["subtype"][0]["code"] == subtype
    assert event["outcome"] == ("0" if status == 200 else "4")


async def test_a_refused_write_is_remembered_and_one_that_is_wrong_is_not(own: Fhir) -> None:
    unknown = await own.put("/Patient/nobody", patient(id="another"))
    assert unknown.status_code == 400
    assert await events(own) == []
    without = own.as_(scopes=("system/Patient.s",))
    assert (await without.get("/Patient?organization.name=x")).status_code == 403
    (event,) = await events(own)
    assert event["outcome"] == "4"


async def test_the_query_is_kept_and_the_patients_that_it_found(own: Fhir) -> None:
    before = own.as_(request_id="before")
    one, other = await before.created(patient()), await before.created(patient())
    code = secrets.token_hex(6)
    for each in (one, other):
        coded = {"coding": [{"system": "urn:test", "code": code}]}
        await before.created(observation(code=coded, subject=f"Patient/{each['id']}"))
    assert (await own.get(f"/Observation?code={code}")).json()["entry"]
    (event,) = await events(own)
    query = next(e["query"] for e in event["entity"] if "query" in e)
    assert base64.b64decode(query).decode() == f"Observation?code={code}"
    found = {e["what"]["reference"] for e in event["entity"] if e.get("role", {}).get("code") == "1"}
    assert found == {f"Patient/{each['id']}" for each in (one, other)}
    assert len(await events(own, f"&patient=Patient/{one['id']}")) == 1
    assert await events(own, "&patient=Patient/someone-else") == []


async def test_an_event_is_found_by_each_of_its_parameters(own: Fhir) -> None:
    made = await own.as_(request_id="before").created(patient())
    await own.get(f"/Patient/{made['id']}")
    (event,) = await events(own)
    for criteria in (
        f"_id={event['id']}",
        f"patient=Patient/{made['id']}",
        f"patient={made['id']}",
        f"entity=Patient/{made['id']}",
        "agent=Practitioner/dr",
        "agent=Organization/hospital",
        "agent:identifier=https://yiyang.example/fhir/sid/client|his",
        "action=R",
        "type=rest",
        "subtype=read",
        "outcome=0",
        "policy=urn:jti:jti-1",
        f"date={event['recorded']}",
        f"date=ge{event['recorded'][:10]}",
        f"_lastUpdated={event['recorded']}",
        "site=yiyang",
        f"patient:Patient._id={made['id']}",
    ):
        assert [e["id"] for e in await events(own, f"&{criteria}")] == [event["id"]], criteria
    for criteria in ("action=C", "outcome=4", "agent=Practitioner/another", "date=lt2020", "subtype=create"):
        assert await events(own, f"&{criteria}") == [], criteria


async def test_a_search_that_names_neither_patient_nor_period_is_one_of_the_last_month(
    own: Fhir, database: Database
) -> None:
    """The audit has an index of when and of whom; the self link says what was used."""
    await own.get("/Patient/nobody")
    async with database.connection() as connection:
        sql = "UPDATE fhir.audit SET at = at - interval '40 days' WHERE request = $1"
        await connection.execute(sql, own.caller.request_id)
    assert await events(own) == []
    bundle = (await own.as_(request_id="looking").get("/AuditEvent?outcome=4&_count=1")).json()
    assert "_lastUpdated=ge" in str(link(bundle, "self"))
    for criteria in ("&date=ge2020", "&_lastUpdated=gt2020", "&patient=Patient/nobody"):
        assert len(await events(own, criteria)) == 1, criteria
    assert await events(own, "&date=lt2020") == []


@pytest.mark.parametrize(
    "query",
    [
        "_has:AuditEvent:patient:outcome=4",
        "_has:Observation:patient:_has:AuditEvent:entity:outcome=4",
        "_revinclude=AuditEvent:patient",
    ],
)
async def test_the_audit_is_not_looked_through_on_the_way_to_something_else(own: Fhir, query: str) -> None:
    assert_outcome(await own.get(f"/Patient?{query}"), 422, "too-costly")


async def test_another_institution_does_not_see_it(own: Fhir) -> None:
    await own.get("/Patient/nobody")
    (event,) = await events(own)
    other = own.as_(organization="another")
    assert await events(other) == []
    assert (await other.get(f"/AuditEvent/{event['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("act", "type_", "subtypes"),
    [
        ("login", "110114", ["110122"]),
        ("token", "110114", ["110122"]),
        ("authenticate", "110114", ["110122"]),
        ("logout", "110114", ["110123"]),
        ("revoke", "110114", ["110123"]),
        ("introspect", "110114", ["110126"]),
        ("client-add", "110113", ["110137"]),
        ("client-list", "110112", []),
        ("break-glass", "rest", ["operation", "110127"]),
    ],
)
async def test_who_gets_in_and_who_may_is_told_and_found_by_the_codes_of_dicom(
    own: Fhir, database: Database, act: str, type_: str, subtypes: list[str]
) -> None:
    """https://dicom.nema.org/medical/dicom/current/output/html/part16.html#sect_CID_400"""
    await AuditLog(database).record(row(SystemClock().now(), own.caller, act, 200, None, None, query="an-app"))
    for criteria in (f"&type={type_}", *(f"&subtype={each}" for each in subtypes)):
        (event,) = await events(own, criteria)
        assert event["type"]["code"] == type_
        assert [each["code"] for each in event.get("subtype", ())] == subtypes
        assert ("profile" in event["meta"]) is (type_ == "rest")
        await same_as_indexed(event, database)


async def test_what_the_view_finds_is_what_the_index_would_hold(own: Fhir, database: Database) -> None:
    made = await own.created(patient())
    await own.get(f"/Patient/{made['id']}")
    await own.get("/Patient?name=x")
    await own.get("/Observation/nobody")
    await own.get(f"/Patient/{made['id']}/$everything")
    await own.as_(practitioner=f"Patient/{made['id']}").get("/Patient/nobody")
    told = await events(own)
    assert len(told) == 6
    for event in told:
        await same_as_indexed(event, database)


async def test_a_client_records_its_own_events_beside_the_audit(own: Fhir) -> None:
    await own.get("/Patient/unheard-of")
    (event,) = await events(own)
    stored = await own.as_(request_id="before").created({k: v for k, v in event.items() if k not in ("id", "meta")})
    assert stored["id"] != event["id"]
    assert {e["id"] for e in await events(own)} == {event["id"], stored["id"]}
