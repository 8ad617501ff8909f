"""Bulk $export: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from typing import Any
from uuid import uuid4

import pytest

from services.fhir.bulk.worker import Worker
from services.fhir.store import jobs
from tests.builders import condition, observation, organization, patient
from tests.bulk import database, exported, fetched, finished, kicked_off, lines, manifest, unzipped, worker
from tests.house import BASE, Fhir, Json
from tests.matchers import assert_outcome

__all__ = ["database", "worker"]


def ids(resources: list[Json]) -> set[str]:
    return {f"{r['resourceType']}/{r['id']}" for r in resources}


def name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


async def a_group(fhir: Fhir, *members: Json) -> Json:
    entities = [{"entity": {"reference": name(member)}} for member in members]
    return await fhir.created({"resourceType": "Group", "type": "person", "actual": True, "member": entities})


async def test_kick_off_answers_at_once_and_the_status_tells_the_progress(fhir: Fhir, worker: Worker) -> None:
    await fhir.created(patient())
    status = await kicked_off(fhir, "/$export?_type=Patient")
    waiting = await fhir.get(status)
    assert waiting.status_code == 202
    assert waiting.headers["x-progress"] == "queued"
    assert int(waiting.headers["retry-after"]) > 0
    await finished(worker)
    found = await manifest(fhir, status)
    assert found["request"] == f"{BASE}/$export?_type=Patient"
    assert found["error"] == []


async def test_each_resource_of_the_types_comes_once_as_it_is_read(fhir: Fhir, worker: Worker) -> None:
    stored = [await fhir.created(patient()) for _ in range(3)]
    body = b'{\n "resourceType": "Observation", "status": "final",\n "code": {"text": "x"}, "valueQuantity": {"value": 1.00}\n}'
    pretty = (await fhir.post("/Observation", body)).json()
    found, resources = await exported(fhir, worker, "/$export?_type=Patient,Observation")
    assert {file["type"] for file in found["output"]} == {"Patient", "Observation"}
    assert {name(s) for s in stored} | {name(pretty)} <= ids(resources)
    assert len(ids(resources)) == len(resources)
    (line,) = [r for r in resources if r["id"] == pretty["id"]]
    assert line == (await fhir.get(f"/Observation/{pretty['id']}")).json()
    files = [file for file in found["output"] if file["type"] == "Observation"]
    assert '"value": 1.00' in "".join([(await fetched(fhir, file)).text for file in files])


async def test_files_come_compressed_where_the_client_takes_it(fhir: Fhir, worker: Worker) -> None:
    await fhir.created(patient())
    found, _ = await exported(fhir, worker, "/$export?_type=Patient")
    plain, packed = (
        await fetched(fhir, found["output"][0]),
        await fetched(fhir, found["output"][0], accept_encoding="gzip, br"),
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert unzipped(packed.content) == plain.text


async def test_since_gives_what_changed_and_what_was_deleted(fhir: Fhir, worker: Worker) -> None:
    kept, changed, deleted = [await fhir.created(patient()) for _ in range(3)]
    first, _ = await exported(fhir, worker, "/$export?_type=Patient")
    await fhir.put(f"/{name(changed)}", changed | {"gender": "female"})
    await fhir.delete(f"/{name(deleted)}")
    new = await fhir.created(patient())
    second, resources = await exported(fhir, worker, f"/$export?_type=Patient&_since={first['transactionTime']}")
    assert {name(changed), name(new)} <= ids(resources)
    assert {name(kept), name(deleted)}.isdisjoint(ids(resources))
    bundles = await lines(fhir, second["deleted"])
    assert all(b["type"] == "transaction" for b in bundles)
    requests = [e["request"] for b in bundles for e in b["entry"]]
    assert {"method": "DELETE", "url": name(deleted)} in requests
    assert len(ids(resources)) == len(resources)
    third, none = await exported(fhir, worker, f"/$export?_type=Patient&_since={second['transactionTime']}")
    assert (none, third["deleted"]) == ([], [])


async def test_a_group_gives_its_members_and_what_tells_of_them(fhir: Fhir, worker: Worker) -> None:
    inside, outside = await fhir.created(patient()), await fhir.created(patient())
    own = [await fhir.created(observation(name(inside))), await fhir.created(condition(name(inside)))]
    performed = await fhir.created(observation(performer=[{"reference": name(inside)}]))
    await fhir.created(observation(name(outside)))
    group = await a_group(fhir, inside)
    _, resources = await exported(fhir, worker, f"/Group/{group['id']}/$export")
    assert ids(resources) == {name(r) for r in (inside, *own, performed, group)}
    assert_outcome(await fhir.get("/Group/nobody/$export"), 404, "not-found")


async def test_a_member_that_joined_since_comes_whole(fhir: Fhir, worker: Worker) -> None:
    old, new = await fhir.created(patient()), await fhir.created(patient())
    before = await fhir.created(observation(name(new)))
    await fhir.created(observation(name(old)))
    group = await a_group(fhir, old)
    first, _ = await exported(fhir, worker, f"/Group/{group['id']}/$export")
    member = [{"entity": {"reference": name(m)}} for m in (old, new)]
    await fhir.put(f"/{name(group)}", group | {"member": member})
    query = f"_type=Patient,Observation&_since={first['transactionTime']}"
    _, resources = await exported(fhir, worker, f"/Group/{group['id']}/$export?{query}")
    assert ids(resources) == {name(new), name(before)}


async def test_all_patients_and_what_tells_of_any(fhir: Fhir, worker: Worker) -> None:
    elder = await fhir.created(patient())
    own = await fhir.created(observation(name(elder)))
    nobodys = await fhir.created(observation())
    house = await fhir.created(organization())
    found, resources = await exported(fhir, worker, "/Patient/$export")
    assert {name(elder), name(own)} <= ids(resources)
    assert {name(nobodys), name(house)}.isdisjoint(ids(resources))
    assert "Organization" not in {file["type"] for file in found["output"]}
    assert_outcome(await fhir.get("/Patient/$export?_type=Organization"), 400, "value")


async def test_chosen_patients_by_post(fhir: Fhir, worker: Worker) -> None:
    one, two = await fhir.created(patient()), await fhir.created(patient())
    parts = [
        {"name": "patient", "valueReference": {"reference": name(one)}},
        {"name": "_type", "valueString": "Patient"},
    ]
    status = await kicked_off(fhir, "/Patient/$export", {"resourceType": "Parameters", "parameter": parts})
    await finished(worker)
    resources = await lines(fhir, (await manifest(fhir, status))["output"])
    assert ids(resources) == {name(one)}
    assert name(two) not in ids(resources)


async def test_type_filters_are_alternatives_and_leave_other_types_alone(fhir: Fhir, worker: Worker) -> None:
    elder = await fhir.created(patient())
    tag = {"system": "http://example.org/export", "code": str(uuid4())}
    found = [await fhir.created(observation(name(elder), status=s, meta={"tag": [tag]})) for s in ("final", "amended")]
    await fhir.created(observation(name(elder), status="cancelled", meta={"tag": [tag]}))
    code = f"{tag['system']}|{tag['code']}"
    query = f"_type=Observation,Patient&_typeFilter=Observation?status=final%26_tag={code},Observation?status=amended%26_tag={code}"
    _, resources = await exported(fhir, worker, f"/$export?{query}")
    assert {r for r in ids(resources) if r.startswith("Observation/")} == {name(o) for o in found}
    assert name(elder) in ids(resources)
    assert_outcome(await fhir.get("/$export?_type=Patient&_typeFilter=Observation?status=final"), 400, "value")
    assert_outcome(await fhir.get("/$export?_typeFilter=Observation"), 400, "value")
    assert_outcome(await fhir.get("/$export?_typeFilter=Observation?no-such=1"), 400, "not-supported")


async def test_a_cancelled_job_is_gone_with_its_files(fhir: Fhir, worker: Worker) -> None:
    status = await kicked_off(fhir, "/$export?_type=Patient")
    assert (await fhir.delete(status)).status_code == 202
    await finished(worker)
    assert_outcome(await fhir.get(status), 404, "not-found")
    assert_outcome(await fhir.delete(status), 404, "not-found")


async def test_a_job_and_its_files_are_its_clients_alone(fhir: Fhir, worker: Worker) -> None:
    await fhir.created(patient())
    status = await kicked_off(fhir, "/$export?_type=Patient")
    await finished(worker)
    found = await manifest(fhir, status)
    file = found["output"][0]["url"].removeprefix(BASE)
    person, organization = fhir.as_(practitioner="Practitioner/1"), fhir.as_(organization="another")
    for stranger in (fhir.as_(client="another"), person, organization):
        assert_outcome(await stranger.get(status), 404, "not-found")
        assert_outcome(await stranger.get(file), 404, "not-found")
        assert_outcome(await stranger.delete(status), 404, "not-found")
    narrowed = fhir.as_(scopes=("system/Observation.rs",))
    assert_outcome(await narrowed.get(file), 403, "forbidden")
    assert_outcome(await fhir.get(f"{status}/99.Patient.ndjson"), 404, "not-found")


async def test_a_filter_takes_the_scope_of_each_type_that_it_looks_at(fhir: Fhir) -> None:
    limited = fhir.as_(client="limited", scopes=("system/Observation.rs",))
    asked = "/$export?_type=Observation&_typeFilter=Observation%3Fpatient.name%3Dwang"
    assert_outcome(await limited.get(asked, prefer="respond-async"), 403, "forbidden")


async def test_only_what_the_scopes_cover_is_exported(fhir: Fhir, worker: Worker) -> None:
    await fhir.created(patient())
    limited = fhir.as_(client="limited", scopes=("system/Patient.rs",))
    found, _ = await exported(limited, worker, "/$export")
    assert {file["type"] for file in found["output"]} == {"Patient"}
    assert_outcome(await limited.get("/$export?_type=Observation"), 403, "forbidden")
    assert_outcome(await fhir.as_(scopes=("system/Patient.r",)).get("/$export"), 403, "forbidden")


async def test_what_is_not_understood_is_refused_unless_the_client_is_lenient(fhir: Fhir, worker: Worker) -> None:
    assert_outcome(await fhir.get("/$export?_elements=Patient.id"), 400, "not-supported")
    assert_outcome(await fhir.get("/$export?_outputFormat=text/csv"), 400, "value")
    assert_outcome(await fhir.get("/$export?_since=yesterday"), 400, "value")
    assert_outcome(await fhir.get("/$export?_type=Elder"), 400, "value")
    answer = await fhir.get("/$export?_elements=id&_type=Basic", prefer="respond-async, handling=lenient")
    assert answer.status_code == 202
    await finished(worker)


async def test_a_client_has_a_few_jobs_at_a_time(fhir: Fhir, worker: Worker) -> None:
    busy = fhir.as_(client="busy")
    for _ in range(4):
        await kicked_off(busy, "/$export?_type=Basic")
    answer = await busy.get("/$export?_type=Basic")
    assert_outcome(answer, 429, "throttled")
    assert "retry-after" in answer.headers
    await finished(worker)
    assert (await busy.get("/$export?_type=Basic")).status_code == 202
    await finished(worker)


async def test_a_consent_that_is_withdrawn_stops_a_running_export_and_empties_its_files(
    fhir: Fhir, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, clinic = fhir.as_(organization=f"home-{uuid4()}"), fhir.as_(organization=f"clinic-{uuid4()}")
    person = await home.created(patient())
    pulse = await home.created(observation(name(person)))
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    actor = {"role": {"text": "x"}, "reference": {"reference": f"Organization/{clinic.caller.organization}"}}
    agreed = await home.created({
        "resourceType": "Consent", "status": "active", "scope": {"coding": [scope]}, "category": [{"text": "x"}],
        "patient": {"reference": name(person)}, "policyRule": {"text": "PIPL"},
        "provision": {"provision": [{"type": "permit", "actor": [actor]}]},
    })  # fmt: skip
    withdrawn = {**agreed, "status": "inactive"}
    ready, whole = await exported(clinic, worker, "/$export?_type=Observation")
    assert ids(whole) == {name(pulse)}
    running = await kicked_off(clinic, "/$export?_type=Observation,Patient")
    advance = jobs.advance

    async def and_withdraw(*given: Any) -> None:
        """With the first file."""
        await advance(*given)
        await home.put(f"/{name(agreed)}", withdrawn)

    monkeypatch.setattr(jobs, "advance", and_withdraw)
    await finished(worker)
    files = (await manifest(clinic, running))["output"]
    assert len(files) == 1
    assert (await fetched(clinic, files[0])).content == b""
    assert (await fetched(clinic, ready["output"][0])).content == b""
