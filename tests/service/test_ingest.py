"""Bundle/$ingest: each care record stored once, with a receipt for each (docs/adr/0037, docs/care-records.md)."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.bulk import taking
from services.fhir.bulk.worker import Worker
from services.fhir.store.write import VersionConflict
from services.kit.database import Database
from services.kit.peers import Peers
from tests.builders import ID_NUMBER, UCUM, coded, known_patient, observation, patient
from tests.bulk import another_worker, database, finished, grow_old, killed_after, worker
from tests.house import BASE, Fhir, Json
from tests.matchers import assert_outcome

__all__ = ["database", "worker"]

NDJSON = "application/fhir+ndjson"
RECORD_NO = "https://home.example/records"
INGEST = "/Bundle/$ingest"


def recorded(subject: str | Json, number: str, **changes: Any) -> Json:
    """`subject` is a reference, or how else the elder is named."""
    elder = {"reference": subject} if isinstance(subject, str) else subject
    return observation(**{"identifier": [{"system": RECORD_NO, "value": number}]} | changes) | {"subject": elder}


def pulse(value: int) -> Json:
    return {"value": value, "system": UCUM, "code": "/min"}


def collection(*resources: Json, kind: str = "collection") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": each} for each in resources]}


def ndjson(*resources: Json | bytes) -> bytes:
    return b"\n".join(r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode() for r in resources)


async def receipt(fhir: Fhir, body: Json | bytes, **headers: str) -> list[Json]:
    """The responses of all entries, in the order sent."""
    headers |= {"content_type": NDJSON} if isinstance(body, bytes) else {}
    answer = await fhir.post(INGEST, body, **headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["type"] == "batch-response"
    place = answer.headers["content-location"].removeprefix(BASE)
    again = await fhir.get(place)
    assert (again.status_code, again.json()) == (200, found)
    return [entry["response"] for entry in found.get("entry", ())]


def statuses(responses: list[Json]) -> list[str]:
    return [each["status"][:3] for each in responses]


def issue(response: Json) -> Json:
    found: Json = response["outcome"]["issue"][0]
    return found


@pytest.fixture
async def elder(fhir: Fhir) -> str:
    return f"Patient/{(await fhir.created(patient()))['id']}"


@pytest.fixture
def batch() -> str:
    return uuid4().hex


async def count(fhir: Fhir, batch: str) -> int:
    found = await fhir.get(f"/Observation?_source=urn:batch:{batch}&_summary=count")
    return int(found.json()["total"])


async def test_of_500_entries_with_3_bad_ones_497_are_stored_and_3_told(fhir: Fhir, elder: str, batch: str) -> None:
    source = {"source": f"urn:batch:{batch}"}
    entries = [recorded(elder, f"{batch}-{n}", meta=source) for n in range(500)]
    entries[7]["status"] = "done"
    entries[123]["subject"] = {"reference": "Patient/nobody-here"}
    entries[499]["effectiveDateTime"] = "2024-02-30"
    one = fhir.as_()
    one.introduces = False
    found = await receipt(one, collection(*entries))
    assert [n for n, each in enumerate(found) if each["status"] != "201 Created"] == [7, 123, 499]
    assert all(each["location"].startswith("Observation/") for n, each in enumerate(found) if n not in (7, 123, 499))
    assert issue(found[7])["expression"] == ["Bundle.entry[7].resource.status"]
    assert issue(found[123])["expression"] == ["Bundle.entry[123].resource.subject"]
    assert issue(found[123])["code"] == "not-found"
    assert issue(found[499])["expression"] == ["Bundle.entry[499].resource.effective"]
    assert issue(found[499])["details"]["text"].startswith("第 499 条：")
    assert issue(found[499])["diagnostics"].startswith("entry 499: ")
    assert await count(fhir, batch) == 497

    again = await receipt(one, collection(*entries))
    assert statuses(again) == ["200" if each["status"] == "201 Created" else each["status"][:3] for each in found]
    assert [e.get("location") for e in again] == [e.get("location") for e in found]
    assert await count(fhir, batch) == 497


async def test_lines_are_taken_in_like_entries_and_named_by_their_numbers(fhir: Fhir, elder: str, batch: str) -> None:
    body = ndjson(
        recorded(elder, f"{batch}-1"),
        b"",
        b'{"resourceType":"Observation","status":"fin',
        recorded(elder, f"{batch}-2", status="done"),
        '{"resourceType":"Observation","code":{"text":"体温"}}'.encode("gbk"),
        recorded(elder, f"{batch}-3"),
    )
    found = await receipt(fhir, body)
    assert statuses(found) == ["201", "400", "422", "400", "201"]
    assert [issue(each)["diagnostics"].partition(":")[0] for each in found[1:4]] == ["line 3", "line 4", "line 5"]
    assert issue(found[2])["expression"] == ["Observation.status"]
    assert "UTF-8" in issue(found[3])["details"]["text"]


async def test_a_batch_of_creates_is_taken_in_and_nothing_else_can_be_asked(fhir: Fhir, elder: str, batch: str) -> None:
    sent = collection(recorded(elder, batch), kind="batch")
    sent["entry"][0]["request"] = {"method": "POST", "url": "Observation"}
    assert statuses(await receipt(fhir, sent)) == ["201"]
    sent["entry"][0]["request"] = {"method": "DELETE", "url": "Observation/1"}
    assert_outcome(await fhir.post(INGEST, sent), 422, "not-supported", "Bundle.entry[0].request")
    assert_outcome(await fhir.post(INGEST, collection(kind="transaction")), 400, "value", "Bundle.type")
    assert_outcome(await fhir.post(INGEST, collection()), 400, "required")
    assert_outcome(await fhir.post(INGEST, b'{"resourceType":"Bundle","type":"coll'), 400, "structure")


async def test_more_than_one_receipt_can_hold_is_refused_before_anything_is_stored(fhir: Fhir) -> None:
    assert_outcome(await fhir.post(INGEST, b"{}\n" * 100_001, content_type=NDJSON), 400, "too-costly", "Bundle.entry")


async def test_the_same_number_twice_in_one_batch_is_one_record(fhir: Fhir, elder: str, batch: str) -> None:
    same = recorded(elder, batch)
    found = await receipt(fhir, collection(same, recorded(elder, f"{batch}-2"), same))
    assert statuses(found) == ["201", "201", "200"]
    assert found[2]["location"] == found[0]["location"]
    assert issue(found[2])["severity"] == "information"


async def test_another_record_under_the_number_of_one_is_refused_and_a_correction_is_let_be(
    fhir: Fhir, elder: str, batch: str
) -> None:
    first = recorded(elder, batch)
    (stored,) = await receipt(fhir, collection(first))
    (other,) = await receipt(fhir, collection(recorded(elder, batch, status="preliminary")))
    assert (other["status"], issue(other)["code"]) == ("409 Conflict", "duplicate")
    assert issue(other)["expression"] == ["Bundle.entry[0].resource.identifier"]
    place = "/" + stored["location"].partition("/_history")[0]
    kept = (await fhir.get(place)).json()
    assert (await fhir.put(place, kept | {"status": "corrected"})).status_code == 200
    (again,) = await receipt(fhir, collection(first))
    assert (again["status"], again["etag"]) == ("200 OK", 'W/"2"')


async def test_what_was_created_alone_is_known_again(fhir: Fhir, elder: str, batch: str) -> None:
    alone = await fhir.created(recorded(elder, batch))
    (found,) = await receipt(fhir, collection(recorded(elder, batch)))
    assert found["location"] == f"Observation/{alone['id']}/_history/1"


async def test_a_number_is_its_institutions_own(fhir: Fhir, elder: str, batch: str) -> None:
    other = fhir.as_(client="other-home", organization="other-home")
    own = f"Patient/{(await other.created(patient()))['id']}"
    assert statuses(await receipt(fhir, collection(recorded(elder, batch)))) == ["201"]
    assert statuses(await receipt(other, collection(recorded(own, batch)))) == ["201"]


async def test_an_entry_that_could_never_be_known_again_is_refused(fhir: Fhir, elder: str) -> None:
    bare = observation(elder)
    half = observation(elder, identifier=[{"value": "1"}])
    found = await receipt(fhir, collection(bare, half))
    assert statuses(found) == ["422", "422"]
    assert issue(found[0])["expression"] == ["Bundle.entry[0].resource.identifier"]


async def test_an_elder_is_named_by_any_number_under_any_name_of_its_system(fhir: Fhir, batch: str) -> None:
    person = known_patient()
    person["identifier"].append({"system": "https://home.example/residents", "value": batch})
    elder = f"Patient/{(await fhir.created(person))['id']}"
    number = person["identifier"][0]["value"]
    alias = "urn:oid:2.16.840.1.113883.2.23.1.19.1"
    subjects: list[Json] = [
        {"identifier": {"system": "https://home.example/residents", "value": batch}, "display": "三楼"},
        {"identifier": {"system": alias, "value": number}},
        {"reference": f"Patient?identifier={ID_NUMBER}|{number}"},
    ]
    entries = [recorded(subject, f"{batch}-{n}") for n, subject in enumerate(subjects)]
    found = await receipt(fhir, collection(*entries))
    assert statuses(found) == ["201", "201", "201"]
    stored = [(await fhir.get("/" + each["location"])).json()["subject"] for each in found]
    assert [each["reference"] for each in stored] == [elder] * 3
    assert stored[0]["display"] == "三楼"
    assert statuses(await receipt(fhir, collection(*entries))) == ["200", "200", "200"]


async def test_an_elder_who_is_unknown_is_told_at_the_element(fhir: Fhir, batch: str) -> None:
    nobody: Json = {"identifier": {"system": "https://home.example/residents", "value": f"no-{batch}"}}
    elsewhere = await fhir.as_(organization="other-home").created(
        patient(identifier=[{"system": "https://home.example/residents", "value": f"far-{batch}"}])
    )
    far: Json = {"identifier": {"system": "https://home.example/residents", "value": f"far-{batch}"}}
    name: Json = {"reference": "Patient?name=王"}
    entries = [recorded(subject, f"{batch}-{n}") for n, subject in enumerate((nobody, far, name))]
    found = await receipt(fhir, collection(*entries))
    assert statuses(found) == ["422", "422", "422"]
    assert [issue(each)["code"] for each in found] == ["not-found", "not-found", "not-supported"]
    assert issue(found[0])["expression"] == ["Bundle.entry[0].resource.subject"]
    assert issue(found[0])["details"] != issue(found[1])["details"]  # but for the number of the entry
    assert issue(found[0])["details"]["text"][5:] == issue(found[1])["details"]["text"][5:]
    assert elsewhere["id"] not in json.dumps(found)


async def test_an_elder_who_comes_in_the_batch_is_known_to_what_follows(fhir: Fhir, batch: str) -> None:
    resident = [{"system": "https://home.example/residents", "value": batch}]
    record = recorded({"identifier": resident[0]}, batch)
    found = await receipt(fhir, collection(patient(identifier=resident), record))
    assert statuses(found) == ["201", "201"]


async def test_a_reading_of_a_device_is_stored_once_whatever_its_number(fhir: Fhir, elder: str, batch: str) -> None:
    meter = {"identifier": {"system": "https://home.example/devices", "value": batch}}
    at = "2024-05-01T08:00:00+08:00"
    sent = [
        observation(elder, device=meter, effectiveDateTime=at),  # no number at all
        recorded(elder, f"{batch}-1", device=meter, effectiveDateTime="2024-05-01T00:00:00Z"),
        recorded(elder, f"{batch}-2", device=meter, effectiveDateTime=at, code=coded("http://loinc.org", "9279-1")),
        recorded(elder, f"{batch}-3", device=meter, effectiveDateTime=at, valueQuantity=pulse(180)),
    ]
    found = await receipt(fhir, collection(*sent))
    assert statuses(found) == ["201", "200", "201", "409"]
    assert found[1]["location"] == found[0]["location"]
    assert [issue(each)["code"] for each in (found[1], found[3])] == ["duplicate", "duplicate"]
    assert issue(found[3])["expression"] == ["Bundle.entry[3].resource.value"]


async def test_only_what_the_scopes_cover_is_stored(fhir: Fhir, elder: str, batch: str) -> None:
    limited = fhir.as_(client="limited-ingest", scopes=("system/Observation.c",))
    by_number = recorded({"identifier": {"system": RECORD_NO, "value": "1"}}, f"{batch}-2")
    found = await receipt(limited, collection(recorded(elder, f"{batch}-1"), patient(), by_number))
    assert statuses(found) == ["201", "403", "403"]


async def test_a_receipt_is_for_who_has_sent(fhir: Fhir, elder: str, batch: str) -> None:
    answer = await fhir.post(INGEST, collection(recorded(elder, batch)))
    place = answer.headers["content-location"].removeprefix(BASE)
    assert_outcome(await fhir.as_(client="another").get(place), 404, "not-found")


async def test_much_is_accepted_and_its_receipt_fetched_later(
    fhir: Fhir, worker: Worker, elder: str, batch: str
) -> None:
    sent = collection(*(recorded(elder, f"{batch}-{n}") for n in range(3)))
    accepted = await fhir.post(INGEST, sent, prefer="respond-async")
    assert accepted.status_code == 202
    place = accepted.headers["content-location"].removeprefix(BASE)
    assert (await fhir.get(place)).status_code == 202
    await finished(worker)
    found = (await fhir.get(place)).json()
    assert statuses([each["response"] for each in found["entry"]]) == ["201", "201", "201"]


async def test_the_same_request_again_finds_its_job_again(fhir: Fhir, elder: str, batch: str) -> None:
    sent = collection(recorded(elder, batch))
    first = await fhir.post(INGEST, sent, idempotency_key=batch)
    again = await fhir.post(INGEST, sent, idempotency_key=batch)
    assert (first.status_code, again.status_code) == (200, 202)
    assert again.headers["content-location"] == first.headers["content-location"]
    receipt = await fhir.get(again.headers["content-location"].removeprefix(BASE))
    assert receipt.json() == first.json()


async def test_many_who_send_the_same_at_once_store_it_once(fhir: Fhir, elder: str, batch: str) -> None:
    source = {"source": f"urn:batch:{batch}"}
    sent = collection(*(recorded(elder, f"{batch}-{n}", meta=source) for n in range(40)))
    found = await asyncio.gather(*(receipt(fhir, sent) for _ in range(5)))
    places = [[each["location"] for each in one] for one in found]
    assert places == [places[0]] * 5
    made = [each["status"] for one in found for each in one]
    assert made.count("201 Created") == 40
    assert await count(fhir, batch) == 40


async def test_an_entry_that_only_meets_others_is_told_so_and_stored_when_it_is_sent_again(
    fhir: Fhir, elder: str, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its receipt has the issue code by which a client knows that it is worth another try."""
    attempt = taking.Taking._attempt  # noqa: SLF001

    async def meeting(self: Any, part: Any, chunk: Any, out: Any) -> int:
        if chunk.intents:
            raise VersionConflict
        return await attempt(self, part, chunk, out)

    sent = collection(recorded(elder, batch))
    with monkeypatch.context() as busy:
        busy.setattr(taking.Taking, "_attempt", meeting)
        (met,) = await receipt(fhir, sent)
    assert (met["status"], issue(met)["code"]) == ("409 Conflict", "conflict")
    assert statuses(await receipt(fhir, sent)) == ["201"]


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_a_killed_ingest_goes_on_and_stores_no_entry_twice(
    fhir: Fhir,
    house: Peers,
    database: Database,
    database_url: str,
    elder: str,
    batch: str,
    chunks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "CHUNK", 2)
    source = {"source": f"urn:batch:{batch}"}
    sent = collection(*(recorded(elder, f"{batch}-{n}", meta=source) for n in range(6)), observation(elder))
    accepted = await fhir.post(INGEST, sent, prefer="respond-async")
    place = accepted.headers["content-location"].removeprefix(BASE)
    await killed_after(chunks, another_worker(house, database, database_url), monkeypatch)
    assert await count(fhir, batch) == 2 * chunks
    await grow_old(database_url, place)
    await finished(another_worker(house, database, database_url))
    found = [each["response"] for each in (await fhir.get(place)).json()["entry"]]
    assert statuses(found) == ["201"] * 6 + ["422"]
    assert await count(fhir, batch) == 6
