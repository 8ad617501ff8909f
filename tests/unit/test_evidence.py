"""The look through all that a run has left behind finds what must not be there: docs/security.md"""

from datetime import date
from pathlib import Path

import pytest

from services.kit.identifiers import id_number
from tests import evidence

BODY = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","name":[{"text":"\xe9\x92\xb1\xe5\xad\xa6\xe6\xa3\xae"}]}}]}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's own notes go, and none of the run's."""
    monkeypatch.setenv(evidence.VARIABLE, str(tmp_path))
    monkeypatch.setattr(evidence, "_files", {})
    return tmp_path


def found(folder: Path) -> list[str]:
    evidence.flush()
    return [each.partition(": ")[2] for each in evidence.found_in(folder)]


def test_what_tells_nothing_is_fine(folder: Path) -> None:
    evidence.note_people(BODY)
    evidence.note("log", "token.issued clinic-his 2026-05-01T08:00:00+08:00")
    evidence.note_answer("GET", 404, (), b'{"resourceType":"OperationOutcome"}')
    assert found(folder) == []


@pytest.mark.parametrize("kind", ["log", "server", "metrics"])
def test_a_name_that_a_request_wrote_is_found_wherever_it_is_told(folder: Path, kind: str) -> None:
    evidence.note_people(BODY)
    evidence.note(kind, "no such 钱学森")
    assert found(folder) == ["a name"]


def test_a_number_in_a_refusal_is_found(folder: Path) -> None:
    evidence.note_answer("POST", 422, (), f"not unique: {id_number('990101', date(1949, 12, 31), 2)}".encode())
    assert found(folder) == ["a national ID"]


@pytest.mark.parametrize(
    ("method", "relation", "kinds"), [("GET", "self", []), ("GET", "next", ["a name"]), ("POST", "self", ["a name"])]
)
def test_a_link_names_nobody_but_as_its_client_did(folder: Path, method: str, relation: str, kinds: list[str]) -> None:
    evidence.note_people(BODY)
    link = f'{{"relation":"{relation}","url":"http://127.0.0.1/fhir/Patient?name=钱学森"}}'
    evidence.note_answer(method, 200, (), f'{{"resourceType":"Bundle","link":[{link}]}}'.encode())
    assert found(folder) == kinds


def test_a_token_in_a_header_is_found(folder: Path) -> None:
    evidence.note_answer("GET", 302, [(b"location", b"/x?token=eyJhbGciOiJSUzM4NCJ9.eyJzdWIiOiIxIn0.c2ln")], b"")
    assert found(folder) == ["a token"]
