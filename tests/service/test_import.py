"""$import of NDJSON: each line as an update or a create of its own, counted once (docs/adr/0015)."""

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.bulk import taking
from services.fhir.bulk.worker import Worker
from services.kit.database import Database
from services.kit.peers import Peers
from tests.builders import observation, patient, task
from tests.bulk import another_worker, database, finished, grow_old, kicked_off, killed_after, lines, manifest, worker
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

__all__ = ["database", "worker"]

NDJSON = "application/fhir+ndjson"


def ndjson(*resources: Json | bytes) -> bytes:
    return b"".join(
        [(r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode()) + b"\n" for r in resources]
    )


async def imported(
    fhir: Fhir, worker: Worker, body: Json | bytes, **headers: str
) -> tuple[Json, list[str], list[Json]]:
    """Run an import to its end: the manifest, what was said of the lines done, and the outcomes of those refused."""
    headers = headers or ({"content_type": NDJSON} if isinstance(body, bytes) else {})
    status = await kicked_off(fhir, "/$import", body, **headers)
    await finished(worker)
    found = await manifest(fhir, status)
    done = [outcome["issue"][0]["diagnostics"] for outcome in await lines(fhir, found["output"])]
    return found, done, await lines(fhir, found["error"])


async def test_lines_of_all_owners_are_taken_in_and_found(fhir: Fhir, worker: Worker) -> None:
    elder, work = f"p-{uuid4()}", f"t-{uuid4()}"
    body = ndjson(
        patient(id=elder),
        observation(f"Patient/{elder}", id=f"o-{elder}", valueQuantity={"value": 1.5}),
        task(id=work) | {"for": {"reference": f"Patient/{elder}"}},
    )
    found, done, refused = await imported(fhir, worker, body)
    assert refused == []
    assert done[0] == f"line 1: created Patient/{elder}/_history/1"
    assert found["extension"] == {"created": 3}
    assert (await fhir.get(f"/Task/{work}")).status_code == 200
    matches = (await fhir.get(f"/Observation?patient={elder}")).json()["entry"]
    assert [e["resource"]["id"] for e in matches] == [f"o-{elder}"]


async def test_a_refused_line_says_where_and_why_and_stops_no_other(fhir: Fhir, worker: Worker) -> None:
    names = [f"x-{uuid4()}" for _ in range(4)]
    body = ndjson(
        patient(id=names[0]),
        b"{not json",
        b"",
        patient(id=names[1], birthDate="yesterday"),
        {"resourceType": "Parameters"},
        b'{"resourceType":"Patient","id":"\xff"}',
        patient(id=names[2], gender="天"),
        patient(id=names[3]),
    )
    found, done, refused = await imported(fhir, worker, body)
    assert [line.split(":")[0] for line in done] == ["line 1", "line 8"]
    told = {o["issue"][0]["diagnostics"].split(":")[0]: o["issue"][0] for o in refused}
    assert set(told) == {"line 2", "line 4", "line 5", "line 6", "line 7"}
    assert told["line 4"]["expression"] == ["Patient.birthDate"]
    assert told["line 7"]["expression"] == ["Patient.gender"]
    assert found["extension"] == {"created": 2, "refused": 5}
    for resource_id, status in zip(names, (200, 404, 404, 200), strict=True):
        assert (await fhir.get(f"/Patient/{resource_id}")).status_code == status


async def test_to_take_the_same_in_again_changes_nothing(fhir: Fhir, worker: Worker) -> None:
    one, two = f"a-{uuid4()}", f"b-{uuid4()}"
    body = ndjson(patient(id=one, meta={"versionId": "7", "source": "urn:his"}), patient(id=two))
    await imported(fhir, worker, body)
    _, done, _ = await imported(fhir, worker, body)
    assert done == [f"line 1: unchanged Patient/{one}/_history/1", f"line 2: unchanged Patient/{two}/_history/1"]
    changed = ndjson(patient(id=one, gender="male"), patient(id=two))
    found, done, _ = await imported(fhir, worker, changed)
    assert done[0] == f"line 1: updated Patient/{one}/_history/2"
    assert found["extension"] == {"updated": 1, "unchanged": 1}


async def test_lines_of_the_same_resource_come_one_behind_the_other(fhir: Fhir, worker: Worker) -> None:
    one = f"a-{uuid4()}"
    body = ndjson(patient(id=one), patient(id=one, gender="male"), patient(id=one, gender="female"))
    _, done, _ = await imported(fhir, worker, body)
    assert [line.split("/")[-1] for line in done] == ["1", "2", "3"]
    assert (await fhir.get(f"/Patient/{one}")).json()["gender"] == "female"


async def test_a_line_without_an_id_is_a_create(fhir: Fhir, worker: Worker) -> None:
    _, done, _ = await imported(fhir, worker, ndjson(patient(gender="male")))
    path = done[0].removeprefix("line 1: created ").partition("/_history")[0]
    assert (await fhir.get(f"/{path}")).json()["gender"] == "male"


async def test_inputs_in_parameters_are_binaries_and_lines(fhir: Fhir, worker: Worker) -> None:
    one, two = f"a-{uuid4()}", f"b-{uuid4()}"
    data = base64.b64encode(ndjson(patient(id=one))).decode()
    binary = await fhir.created({"resourceType": "Binary", "contentType": NDJSON, "data": data})
    inputs: list[Json] = [
        {"name": "url", "valueUri": f"Binary/{binary['id']}"},
        {"name": "data", "valueBase64Binary": base64.b64encode(ndjson(b"", patient(id=two))).decode()},
    ]
    body = {"resourceType": "Parameters", "parameter": [{"name": "input", "part": [each]} for each in inputs]}
    _, done, _ = await imported(fhir, worker, body)
    assert done == [f"line 1: created Patient/{one}/_history/1", f"line 2: created Patient/{two}/_history/1"]


async def test_what_lies_elsewhere_is_not_fetched(fhir: Fhir) -> None:
    async def refused(*part: Json) -> Any:
        return await fhir.post(
            "/$import", {"resourceType": "Parameters", "parameter": [{"name": "input", "part": list(part)}]}
        )

    assert_outcome(await refused({"name": "url", "valueUri": "http://10.0.0.1/x"}), 422, "not-supported")
    assert_outcome(await refused({"name": "url", "valueUri": "Binary/nobody"}), 422, "not-found")
    assert_outcome(await refused({"name": "data", "valueString": "#"}), 400, "value")
    assert_outcome(await fhir.post("/$import", b"\n \n", content_type=NDJSON), 400, "required")
    assert_outcome(await fhir.post("/$import", b"<x/>", content_type="application/xml"), 415, "not-supported")
    assert_outcome(await fhir.get("/$import"), 405, "not-supported")


async def test_only_what_the_scopes_cover_is_written(fhir: Fhir, worker: Worker) -> None:
    one, two = f"a-{uuid4()}", f"b-{uuid4()}"
    limited = fhir.as_(client="limited-import", scopes=("system/Patient.cu",))
    _, done, refused = await imported(limited, worker, ndjson(patient(id=one), observation(id=two)))
    assert len(done) == 1
    assert refused[0]["issue"][0]["code"] == "forbidden"
    assert (await fhir.get(f"/Observation/{two}")).status_code == 404


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_a_killed_import_goes_on_and_writes_no_line_twice(
    fhir: Fhir, house: Peers, database: Database, database_url: str, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "CHUNK", 2)
    names = [f"k-{uuid4()}" for _ in range(7)]
    body = ndjson(*(patient(id=n) for n in names), observation(), b"{")
    status = await kicked_off(fhir, "/$import", body, content_type=NDJSON)
    await killed_after(chunks, another_worker(house, database, database_url), monkeypatch)
    assert (await fhir.get(status)).headers["x-progress"].startswith(f"{2 * chunks} of 9")
    await grow_old(database_url, status)
    await finished(another_worker(house, database, database_url))
    found = await manifest(fhir, status)
    assert found["extension"] == {"created": 8, "refused": 1}
    told = [o["issue"][0]["diagnostics"] for o in await lines(fhir, found["output"])]
    assert [line.split(":")[0] for line in told] == [f"line {n}" for n in range(1, 9)]
    for resource_id in names:
        assert (await fhir.get(f"/Patient/{resource_id}")).json()["meta"]["versionId"] == "1"
