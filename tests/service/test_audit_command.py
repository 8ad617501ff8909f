"""`yiyang verify-audit` and `yiyang audit prune`: what they print and how they exit: docs/operations.md"""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.fhir.audit.chain import sealing
from services.fhir.audit.sealer import Sealer
from services.kit.clock import SystemClock
from services.kit.database import Database
from tests.service.test_audit_chain import record
from yiyang.cli import main

KEY = "the key of an audit chain, in tests only, long enough"


@pytest.fixture
async def chained(clean_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Two blocks, and a folder of its own to work in."""
    monkeypatch.setenv("YIYANG_AUDIT_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".yiyang").mkdir()
    database = Database(clean_database)
    for _ in range(2):
        await record(database, 2)
        await Sealer(database, sealing(KEY.encode()), SystemClock()).seal()
    await database.close()
    return clean_database


async def command(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


async def test_a_whole_audit_is_told_with_its_head(chained: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("verify-audit", "--database", chained) == 0
    told = capsys.readouterr().out
    assert "2 blocks, 4 rows" in told
    assert Path(".yiyang/audit.head").read_text().startswith("2:")
    assert Path(".yiyang/audit.head").read_text() in told


async def test_the_first_fault_is_named_and_the_exit_code_is_1(
    chained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await execute(
        chained, "DELETE FROM fhir.audit WHERE event = (SELECT events[1] FROM fhir.audit_block WHERE number = 2)"
    )
    assert await command("verify-audit", "--database", chained) == 1
    assert "block 2, row 1" in capsys.readouterr().err


async def test_an_end_that_was_cut_off_is_seen_by_the_head_that_was_kept(
    chained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command("verify-audit", "--database", chained) == 0
    await execute(
        chained,
        "DELETE FROM fhir.audit WHERE event IN (SELECT unnest(events) FROM fhir.audit_block WHERE number = 2); "
        "DELETE FROM fhir.audit_block WHERE number = 2",
    )
    assert await command("verify-audit", "--database", chained) == 1
    assert "block 2 is missing" in capsys.readouterr().err


async def test_nothing_is_pruned_before_its_time_and_no_shorter_time_is_taken(
    chained: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await command("audit", "prune", "--database", chained) == 0
    assert "0 rows" in capsys.readouterr().out
    monkeypatch.setenv("YIYANG_AUDIT_MONTHS", "5")
    assert await command("audit", "prune", "--database", chained) == 1
    assert "6 months" in capsys.readouterr().err
