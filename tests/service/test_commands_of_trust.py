"""`yiyang account`, `yiyang key` and `yiyang client` as their operator types them, beside a running gateway."""

import asyncio
import re

import pytest

from gateway.keys import KeyPair
from tests.front import KEY, Front
from tests.people import REDIRECT, SCOPE, Portal
from yiyang.cli import main

ADD = ("account", "add", "doctor.wang", "--organization", "hospital", "--person", "Practitioner/7", "--role")


class Operator:
    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    async def types(self, *arguments: str) -> str:
        """Run a command in a thread, as a process beside this one; return what it printed."""
        assert await asyncio.to_thread(main, [*arguments, "--database", self._url]) == 0
        return self._capsys.readouterr().out

    async def fails(self, *arguments: str) -> str:
        assert await asyncio.to_thread(main, [*arguments, "--database", self._url]) == 1
        return self._capsys.readouterr().err


@pytest.fixture
def operator(clean_database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("YIYANG_INTERNAL_KEY", KEY)
    return Operator(clean_database, capsys)


def _told(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


async def test_an_account_from_its_first_password_to_its_end(portal: Portal, operator: Operator) -> None:
    password = _told(await operator.types(*ADD, "physician", "--role", "family-doctor"), r"first password: (\S+)")
    typed = {
        "password": password,
        "new_password": "staple-sunrise-ladder",
        "new_password_again": "staple-sunrise-ladder",
    }
    assert (await portal.submit(await portal.open(), **typed)).status_code == 303
    assert "physician 医师 family-doctor 家庭医生  启用 active" in await operator.types("account", "list")
    await operator.types("account", "disable", "doctor.wang")
    assert (await portal.open()).status_code == 200
    await operator.types("account", "enable", "doctor.wang")
    again = _told(await operator.types("account", "reset", "doctor.wang"), r"first password: (\S+)")
    assert (await portal.submit(await portal.open(), password=again)).status_code == 403
    rows = await portal.remembered("interaction", "client")
    acts = [act for act, client in rows if client == "yiyang-cli"]
    assert acts == ["account-add", "account-disable", "account-enable", "account-reset"]


async def test_an_administrator_gets_a_secret_for_one_time_passwords(portal: Portal, operator: Operator) -> None:
    await portal.register(name="admin", purposes=("HOPERAT",))
    told = await operator.types(*ADD, "institution-admin")
    password, secret = _told(told, r"first password: (\S+)"), _told(told, r"otpauth://totp/\S+\?secret=(\w+)")
    typed = {
        "password": password,
        "new_password": "staple-sunrise-ladder",
        "new_password_again": "staple-sunrise-ladder",
    }
    page = await portal.open(client_id="admin")
    assert (await portal.submit(page, **typed)).status_code == 401
    assert (await portal.submit(page, **typed, code=portal.code_of(secret))).status_code == 303


async def test_a_reset_opens_the_lock(portal: Portal, operator: Operator) -> None:
    await portal.add()
    page = await portal.open()
    for _ in range(5):
        await portal.submit(page, password="wrong")
    assert (await portal.submit(page)).status_code == 429
    again = _told(await operator.types("account", "reset", "doctor.wang"), r"first password: (\S+)")
    assert (await portal.submit(page, password=again)).status_code == 403


async def test_what_is_no_account_is_told_in_one_line(portal: Portal, operator: Operator) -> None:
    assert "not a role of people" in await operator.fails(*ADD, "queen")
    assert "no account" in await operator.fails("account", "disable", "nobody")
    await operator.types(*ADD, "nurse")
    assert "already registered" in await operator.fails(*ADD, "nurse")


async def test_a_signing_key_is_rotated_and_retired(front: Front, keys: KeyPair, operator: Operator) -> None:
    await front.register(keys)
    await front.bearer(keys)
    kid = _told(await operator.types("key", "rotate", "--after", "0"), r"minutes: (\S+)")
    listed = await operator.types("key", "list")
    assert (listed.splitlines()[0].startswith(kid), len(listed.splitlines())) == (True, 2)
    await operator.types("key", "retire", kid)
    assert "作废 retired" in (await operator.types("key", "list")).splitlines()[0]
    assert "no key" in await operator.fails("key", "retire", "nothing")


async def test_an_app_is_registered_and_people_log_in_at_it(portal: Portal, operator: Operator) -> None:
    await portal.add()
    scopes = ("--organization", "platform", "--scopes", SCOPE)
    await operator.types(
        "client", "add", "second", *scopes, "--redirect", REDIRECT, "--purpose", "TREAT", "--rate", "50"
    )
    client = await portal.front.clients.get("second")
    assert client is not None
    assert (client.redirect_uris, client.purposes, client.rate, client.has_keys) == ((REDIRECT,), ("TREAT",), 50, False)
    assert (await portal.submit(await portal.open(client_id="second"))).status_code == 303
    await operator.types(
        "client", "add", "second", *scopes, "--redirect", REDIRECT, "--purpose", "TREAT", "--rate", "50"
    )
    assert "other facts" in await operator.fails("client", "add", "second", *scopes, "--redirect", REDIRECT)
    await operator.types("client", "disable", "second")
    assert (await portal.open(client_id="second")).status_code == 400
    assert "a redirect URI is" in await operator.fails(
        "client", "add", "third", *scopes, "--redirect", "http://a.example"
    )


async def test_a_system_may_publish_its_keys(front: Front, operator: Operator) -> None:
    scopes = ("--organization", "clinic", "--scopes", "system/*.rs")
    await operator.types("client", "add", "his", *scopes, "--jwks-uri", "https://his.example.org/jwks")
    client = await front.clients.get("his")
    assert client is not None
    assert (client.jwks_uri, client.jwks) == ("https://his.example.org/jwks", {"keys": []})
