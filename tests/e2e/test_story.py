"""The demo, from one command: institutions exchange the record of one elder through the gateway (README.md)."""

import re
from pathlib import Path

import pytest

from services.kit.identifiers import is_uscc
from tests.e2e.servers import Server, yiyang
from yiyang.story.institutions import INSTITUTIONS

PATIENCE = 150  # on a machine that does much else
STEP = re.compile(r"^ *(\d+) (.) (GET|POST|PUT) +(/\S+) +(\d{3}) +(\d+) ms  ", re.MULTILINE)


def test_the_story_plays_from_one_command(tmp_path: Path) -> None:
    done = yiyang("demo", "--once", "--elders", "0", "--data", str(tmp_path / "data"), seconds=PATIENCE)
    assert done.returncode == 0, done.stderr + done.stdout
    steps = STEP.findall(done.stdout)
    assert [int(number) for number, *_ in steps] == list(range(1, len(steps) + 1))
    assert len(steps) > 88
    told = {path.rpartition("/")[2] for _, _, _, path, *_ in steps}
    assert {"v2", "$ingest", "$summary", "$register"} <= told, "an old system, an offline batch, the summary, an alias"
    assert {mark for _, mark, *_ in steps} == {"✓"}
    assert {status for *_, status, _ in steps} == {"200", "201", "401", "403", "404", "412", "422"}
    assert f"全部 {len(steps)} 步如期" in done.stdout


def test_the_story_plays_against_a_running_server_twice(server: Server) -> None:
    for told in ("6 elders came in", "is there already"):
        command = ("demo", "--once", "--elders", "6", "--base", server.root, "--data", str(server.data_dir))
        done = yiyang(*command, seconds=PATIENCE)
        assert done.returncode == 0, done.stderr + done.stdout
        assert told in done.stdout


def test_without_a_server_the_demo_fails_in_one_line(tmp_path: Path) -> None:
    done = yiyang("demo", "--once", "--base", "http://127.0.0.1:9", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "http://127.0.0.1:9/fhir/metadata" in done.stderr


@pytest.mark.parametrize("institution", INSTITUTIONS, ids=lambda institution: institution.id)
def test_the_institutions_have_valid_credit_codes_of_wuhai(institution: object) -> None:
    code = getattr(institution, "uscc", "")
    assert is_uscc(code)
    assert code[2:6] == "1503"
