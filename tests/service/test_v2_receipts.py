"""Receipts of HL7 v2: nothing is acknowledged that is not durable, nobody is told twice otherwise, and no number lies open (docs/adr/0043)."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.fhir.store import v2_messages
from services.fhir.store.rotation import rotate
from services.fhir.store.v2_messages import key_of
from services.fhir.store.vault import vault_of
from tests.house import HIS, Fhir, in_one_process
from tests.matchers import assert_outcome
from tests.relay import Relay
from tests.service.test_client_command import Shell
from tests.service.test_identifiers_at_rest import SECRET, settings, under
from tests.v2 import MEDIA, adt, all_told, control, elder, message, pid, posted, pv1, send

RESULTS = ("OBR|1||R7001|24331-1^血脂^LN", "OBX|1|NM|8867-4^心率^LN||72|次/分|60-100|N|||F")


async def test_a_database_that_is_away_acknowledges_nothing(database_url: str) -> None:
    one = elder()
    content = adt("A01", one, pv1("V7001"))
    async with Relay(database_url) as relay, in_one_process(relay.url) as peers:
        fhir = Fhir(peers, HIS)
        await send(fhir, adt("A04", elder()))
        await relay.cut()
        answer = await fhir.post("/$process-v2", content, content_type=MEDIA)
        assert_outcome(answer, 503, "transient")
        await relay.mend()
        assert (await send(fhir, content)).code == "AA"
        assert len((await fhir.get("/Encounter?identifier=V7001")).json()["entry"]) == 1


async def test_the_same_message_on_eight_connections_has_one_effect(fhir: Fhir) -> None:
    one = elder()
    content = adt("A01", one, pv1("V7002"))
    answers = await asyncio.gather(*(posted(fhir, content) for _ in range(8)))
    assert len(set(answers)) == 1
    (found,) = (await fhir.get("/Encounter?identifier=V7002")).json()["entry"]
    assert found["resource"]["meta"]["versionId"] == "1"
    assert len((await fhir.get(f"/Patient?identifier={one.record}")).json()["entry"]) == 1


async def test_messages_about_somebody_new_that_meet_make_one_patient(fhir: Fhir) -> None:
    one = elder()
    sent = [adt("A04", one), adt("A08", one), adt("A01", one, pv1("V7003")), adt("A28", one)]
    answers = await asyncio.gather(*(send(fhir, each) for each in sent))
    assert [each.code for each in answers] == ["AA"] * 4, [each.text for each in answers]
    assert len((await fhir.get(f"/Patient?identifier={one.record}")).json()["entry"]) == 1


async def test_a_batch_in_which_one_comes_again(fhir: Fhir) -> None:
    first, second = adt("A04", elder()), adt("A04", elder())
    await send(fhir, first)
    answers = all_told(await posted(fhir, b"BHS|^~\\&|HIS\r" + first + second + first))
    assert [each.code for each in answers] == ["AA", "AA", "AA"]
    assert answers[0] == answers[2]


async def test_a_stored_message_is_encrypted_as_a_whole_and_rotated_like_the_rest(clean_database: str) -> None:
    one, number = elder(), control()
    content = message("ORU^R01", pid(one), *RESULTS, number=number)
    async with under(clean_database, SECRET) as fhir:
        assert (await send(fhir, content)).code == "AE"
    key = key_of("his", "HIS", "K0001", number)
    newer = vault_of(settings(clean_database, f"another key for identifiers, in tests only,{SECRET}"))
    assert newer is not None
    connection = await asyncpg.connect(clean_database)
    try:
        for _ in range(2):
            kept = await connection.fetchval("SELECT content FROM fhir.v2_message WHERE key = $1", key)
            assert one.national.encode() not in kept
            assert one.record.encode() not in kept
            assert await v2_messages.content_of(connection, key, newer) == content.rstrip(b"\r")
            async for _each in rotate(connection, newer):
                pass
        assert newer.is_current_bytes(kept)
    finally:
        await connection.close()
    async with under(clean_database, SECRET) as fhir:
        await send(fhir, adt("A04", one))
        assert (await send(fhir, content)).code == "AA"


@pytest.fixture
def shell(clean_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(clean_database, tmp_path / "data", capsys)


def test_replay_is_refused_for_a_client_that_is_gone(shell: Shell, clean_database: str) -> None:
    async def store() -> None:
        async with in_one_process(clean_database) as peers:
            await send(Fhir(peers, HIS), message("ORU^R01", pid(elder()), *RESULTS))

    asyncio.run(store())
    assert shell("v2", "messages") == 0
    assert "PID-3" in shell.out
    assert shell("v2", "replay") == 1
    assert shell.err.count("\n") == 1
