"""Batches and transactions across the three services."""

from tests.builders import (
    batch,
    care_plan,
    create,
    entry,
    observation,
    patient,
    service_request,
    task,
    transaction,
    urn,
)
from tests.house import Fhir
from tests.matchers import assert_outcome


async def test_a_transaction_across_owners_is_committed_once_and_its_references_resolve(fhir: Fhir) -> None:
    person, order = urn(), urn()
    response = await fhir.post(
        "/",
        transaction(
            create(task(order) | {"for": {"reference": person}}, urn()),
            create(care_plan(person), urn()),
            create(observation(person), urn()),
            create(service_request(person), order),
            create(patient(), person),
        ),
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["type"] == "transaction-response"
    assert [e["response"]["location"].partition("/")[0] for e in answer["entry"]] == [
        "Task",
        "CarePlan",
        "Observation",
        "ServiceRequest",
        "Patient",
    ]
    paths = ["/" + e["response"]["location"].partition("/_history")[0] for e in answer["entry"]]
    stored = [(await fhir.get(path)).json() for path in paths]
    assert stored[0]["focus"]["reference"] == paths[3][1:]
    assert (
        stored[0]["for"]["reference"]
        == stored[1]["subject"]["reference"]
        == stored[2]["subject"]["reference"]
        == paths[4][1:]
    )
    found = (await fhir.get(f"/Observation?patient={paths[4][1:]}")).json()
    assert [e["resource"]["id"] for e in found["entry"]] == [stored[2]["id"]]


async def test_one_bad_entry_undoes_all_and_is_named(fhir: Fhir) -> None:
    person = urn()
    broken = care_plan(person)
    del broken["status"]
    response = await fhir.post("/", transaction(create(patient(birthDate="1931-01-01"), person), create(broken, urn())))
    outcome = assert_outcome(response, response.status_code, "required")
    assert response.status_code in (400, 422)
    assert outcome["issue"][0]["expression"][0].startswith("Bundle.entry[1].resource")
    assert "entry" not in (await fhir.get("/Patient?birthdate=1931-01-01")).json()


async def test_a_transaction_reads_what_it_wrote(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    changed = stored | {"gender": "other"}
    response = await fhir.post(
        "/", transaction(entry("GET", f"Patient/{stored['id']}"), entry("PUT", f"Patient/{stored['id']}", changed))
    )
    assert response.status_code == 200, response.text
    first, second = response.json()["entry"]
    assert first["resource"]["gender"] == "other"
    assert second["response"]["etag"] == 'W/"2"'


async def test_a_failing_read_undoes_the_writes(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    response = await fhir.post(
        "/", transaction(entry("PUT", f"Patient/{stored['id']}", stored), entry("GET", "Patient/nobody"))
    )
    assert_outcome(response, 404, "not-found", "Bundle.entry[1]")
    assert (await fhir.get(f"/Patient/{stored['id']}")).json()["meta"]["versionId"] == "1"


async def test_a_stale_entry_undoes_all(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    response = await fhir.post(
        "/", transaction(create(patient()), entry("PUT", f"Patient/{stored['id']}", stored, ifMatch='W/"4"'))
    )
    assert_outcome(response, 412, "conflict", "Bundle.entry[1]")


async def test_the_same_resource_twice_is_refused(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    put = entry("PUT", f"Patient/{stored['id']}", stored)
    assert_outcome(await fhir.post("/", transaction(put, put)), 400, "duplicate", "Bundle.entry[1]")


async def test_the_entries_of_a_batch_stand_alone(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    response = await fhir.post(
        "/", batch(create(patient()), entry("GET", "Patient/nobody"), entry("GET", f"Patient/{stored['id']}"))
    )
    assert response.status_code == 200
    entries = response.json()["entry"]
    assert [e["response"]["status"][:3] for e in entries] == ["201", "404", "200"]
    assert entries[1]["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert entries[2]["resource"]["id"] == stored["id"]


async def test_an_entry_outside_the_scopes_is_refused(fhir: Fhir) -> None:
    reader = fhir.as_(scopes=("system/*.rs",))
    assert_outcome(await reader.post("/", transaction(create(patient()))), 403, "forbidden", "Bundle.entry[0]")
    allowed = await reader.post("/", batch(create(patient()), entry("GET", "Patient")))
    assert [e["response"]["status"][:3] for e in allowed.json()["entry"]] == ["403", "200"]


async def test_other_bundles_and_empty_ones(fhir: Fhir) -> None:
    assert_outcome(await fhir.post("/", {"resourceType": "Bundle", "type": "collection"}), 400, "value", "Bundle.type")
    empty = await fhir.post("/", {"resourceType": "Bundle", "type": "transaction"})
    assert empty.status_code == 200
    assert empty.json() == {"resourceType": "Bundle", "type": "transaction-response"}
