"""`yiyang client` and `yiyang token` with a database of one's own (docs/operations.md)."""

import json
from pathlib import Path

import pytest

from gateway.keys import generate_key_pair
from yiyang import cli


class Shell:
    """Runs commands against one database and data folder; keeps what the last one printed."""

    def __init__(self, database_url: str, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self.out = self.err = ""
        self._place = ("--database", database_url, "--data", str(data_dir))
        self._capsys = capsys

    def __call__(self, *arguments: str) -> int:
        code = cli.main([*arguments, *self._place])
        self.out, self.err = self._capsys.readouterr()
        return code

    def add(self, name: str, *more: str, scopes: str = "system/*.rs") -> int:
        return self("client", "add", name, "--organization", "org-1", "--scopes", scopes, *more)


@pytest.fixture
def shell(clean_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(clean_database, tmp_path / "data", capsys)


def test_a_client_is_added_once_and_the_same_again_is_no_error(shell: Shell) -> None:
    assert shell.add("his") == 0
    key = (shell.data_dir / "clients" / "his.json").read_bytes()
    assert shell.add("his") == 0
    assert (shell.data_dir / "clients" / "his.json").read_bytes() == key
    assert shell.add("his", scopes="system/Patient.r") == 1
    assert "already registered" in shell.err
    assert shell("client", "list") == 0
    assert shell.out.count("\n") == 1


def test_public_keys_come_from_a_file_and_private_ones_are_refused(shell: Shell, tmp_path: Path) -> None:
    pair, file = generate_key_pair(2048), tmp_path / "keys.json"
    file.write_text(json.dumps(pair.jwks))
    assert shell.add("his", "--jwks", str(file)) == 0
    assert not (shell.data_dir / "clients").exists()
    file.write_text(json.dumps({"keys": [{**pair.public_jwk, "d": "AQAB"}]}))
    assert shell.add("her", "--jwks", str(file)) == 1
    assert "private key material" in shell.err
    assert shell.err.count("\n") == 1


@pytest.mark.parametrize("scopes", ["system/*.read", "patient/*.rs", "system/Nothing.rs", ""])
def test_scopes_that_nobody_can_have_are_refused_in_one_line(shell: Shell, scopes: str) -> None:
    assert shell.add("his", scopes=scopes) == 1
    assert shell.err.count("\n") == 1
    assert shell("client", "list") == 0
    assert shell.out == ""


def test_a_disabled_client_gets_no_token_until_it_is_enabled(shell: Shell) -> None:
    shell.add("his")
    assert shell("client", "disable", "his") == 0
    assert shell("token", "his", "--base", "http://127.0.0.1:9") == 1
    assert shell("client", "enable", "his") == 0
    assert shell("token", "his", "--base", "http://127.0.0.1:9") == 0
    assert shell.out.count(".") == 2
    assert shell("client", "disable", "nobody") == 1


def test_a_database_that_is_away_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://nobody@127.0.0.1:9/nothing"
    for command in (["migrate"], ["client", "list"]):
        assert cli.main([*command, "--database", url, "--data", str(tmp_path)]) == 1
        assert capsys.readouterr().err.count("\n") == 1
