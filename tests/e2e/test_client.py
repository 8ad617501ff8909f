"""`yiyang.client` and `yiyang push` as an integrator uses them, against a running server (docs/client.md)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient

from tests.builders import known_patient, observation, patient
from tests.care_records import RESIDENTS, care_examples
from tests.e2e.servers import Server, yiyang
from yiyang.client import Client, ClientError, Credentials
from yiyang.installation import Installation

NAME = "push-home"


@pytest.fixture(scope="module")
def credentials(server: Server) -> Credentials:
    place = ("--data", str(server.data_dir))
    added = yiyang("client", "add", NAME, "--organization", NAME, "--scopes", "system/*.cruds", *place)
    assert added.returncode == 0, added.stderr
    keys = Installation(server.data_dir).client_keys(NAME)
    return Credentials(NAME, keys.kid, keys.private_key)


@pytest.fixture
async def client(server: Server, credentials: Credentials) -> AsyncIterator[Client]:
    async with Client(server.base, credentials) as client:
        yield client


async def resident(client: Client) -> str:
    number = uuid4().hex
    await client.create(patient(identifier=[{"system": RESIDENTS, "value": number}]))
    return number


async def test_models_and_plain_json_are_created_read_updated_and_found(client: Client) -> None:
    elder = await client.create(Patient.model_validate(known_patient()))
    assert isinstance(elder, Patient)
    again = await client.read(Patient, str(elder.id))
    assert json.loads(again.model_dump_json())["name"][0]["text"] == "王秀英"
    plain = await client.read("Patient", str(elder.id))
    assert (await client.update(plain | {"active": True}, version="1"))["meta"]["versionId"] == "2"
    with pytest.raises(ClientError) as told:
        await client.update(plain, version="1")
    assert told.value.status == 412
    pulses = [observation(f"Patient/{elder.id}", effectiveDateTime=f"2024-05-{n:02}") for n in range(1, 6)]
    for each in pulses:
        await client.create(Observation.model_validate(each))
    found = [each async for each in client.search(Observation, {"patient": str(elder.id), "_count": "2"})]
    assert len(found) == 5
    assert {type(each) for each in found} == {Observation}
    number = plain["identifier"][0]
    criteria = {"identifier": f"{number['system']}|{number['value']}"}
    assert [each["id"] async for each in client.search("Patient", criteria)] == [elder.id]


async def test_a_conditional_create_gives_what_is_there(client: Client) -> None:
    number = uuid4().hex
    record = observation(None, identifier=[{"system": "urn:records", "value": number}])
    made = [await client.create(record, unless=f"identifier=urn:records|{number}") for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]


async def test_records_of_care_are_ingested_once(client: Client) -> None:
    number = await resident(client)
    examples = care_examples(number, number)
    assert [each.status for each in await client.ingest(examples)] == [201] * 5
    again = await client.ingest(examples)
    assert [each.status for each in again] == [200] * 5
    assert all(each.location for each in again)


async def test_the_command_pushes_a_file_and_tells_what_was_refused(
    client: Client, server: Server, credentials: Credentials, tmp_path: Path
) -> None:
    number = await resident(client)
    day = tmp_path / "day.ndjson"
    examples = [each for n in range(3) for each in care_examples(number, f"{number}-{n}-")]
    examples = [each | ({"device": None} if each["resourceType"] == "Observation" else {}) for each in examples]
    lines = [json.dumps({k: v for k, v in each.items() if v is not None}, ensure_ascii=False) for each in examples]
    day.write_text("\n".join([*lines, '{"resourceType":"Procedure"}']), encoding="utf-8")
    where = ("--client", NAME, "--base", server.base, "--data", str(server.data_dir), "--batch", "4")
    done = yiyang("push", str(day), *where)
    assert done.returncode == 1, done.stderr
    assert "new 15" in done.stdout
    assert "refused 1" in done.stdout
    assert "  16: Procedure.status：" in done.stdout
    assert "16/16" in done.stderr
    mended = yiyang("push", str(day), *where)
    assert "new 15" in mended.stdout, "what was refused is asked again, the rest is not"
    assert "16/16" in mended.stderr
    again = yiyang("push", str(day), *where, "--batch", "5", "--journal", str(tmp_path / "other"))
    assert "known 15" in again.stdout, again.stderr


async def test_who_has_no_key_is_told(server: Server, tmp_path: Path) -> None:
    day = tmp_path / "day.ndjson"
    day.write_text("{}\n")
    told = yiyang("push", str(day), "--client", "nobody-known", "--base", server.base, "--data", str(tmp_path))
    assert (told.returncode, told.stdout) == (1, "")
    assert "--key" in told.stderr
