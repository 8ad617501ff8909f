"""A person at an app: the browser, the page, the code and the tokens, as they happen."""

import re
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from argon2 import PasswordHasher

from gateway import totp
from gateway.grants import challenge_of
from gateway.login.credentials import SECRETS
from gateway.registry import Account, Accounts, Options
from gateway.seal import Seal
from tests.front import BASE, Front

REDIRECT: Final = "https://portal.example.org/back"
VERIFIER: Final = "v" * 50
PASSWORD: Final = "correct horse battery"
SCOPE: Final = "openid fhirUser online_access user/*.cruds"
_CHEAP: Final = PasswordHasher(1, 8, 1)  # a test waits for many logins
_HIDDEN: Final = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Portal:
    """An app that is registered, its person, and the person's browser."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.accounts = Accounts(front.database.engine, front.clock)
        self.browser = front.http

    async def register(self, scopes: str = SCOPE, name: str = "portal", **options: Any) -> None:
        given = Options(**{"redirect_uris": (REDIRECT,), **options})
        await self.front.clients.add(name, "platform", scopes, None, given)

    async def add(
        self,
        name: str = "doctor.wang",
        roles: tuple[str, ...] = ("physician",),
        person: str = "Practitioner/7",
        *,
        must_change: bool = False,
    ) -> Account:
        hashed = _CHEAP.hash(PASSWORD)
        return await self.accounts.add(name, "hospital", person, roles, hashed, must_change=must_change)

    async def give_totp(self, account: Account) -> str:
        secret = totp.new_secret()
        sealed = Seal(self.front.settings.keys, SECRETS).close(secret, account.id)
        await self.accounts.set_totp(account.id, sealed)
        return secret

    def code_of(self, secret: str) -> str:
        return totp.code_at(secret, int(self.front.clock.seconds()) // totp.STEP_SECONDS)

    def query(self, **changes: str | None) -> str:
        """The authorization request, right but for the changes; None leaves a parameter out."""
        right: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "portal",
            "redirect_uri": REDIRECT,
            "scope": SCOPE,
            "state": "state-1",
            "aud": BASE,
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            "nonce": "nonce-1",
        }
        return urlencode({name: value for name, value in {**right, **changes}.items() if value is not None})

    async def open(self, **changes: str | None) -> httpx.Response:
        return await self.browser.get(f"/auth/authorize?{self.query(**changes)}")

    async def submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Fill the page in and send it."""
        form = {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}
        typed = {"name": "doctor.wang", "password": PASSWORD, **fields}
        return await self.browser.post("/auth/login", data=form | typed)

    async def log_in(self, **fields: str) -> str:
        """Log in at a fresh page and return the code."""
        answer = await self.submit(await self.open(), **fields)
        assert answer.status_code == 303, answer.text
        return sent(answer)["code"]

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "client_id": "portal",
            "code_verifier": VERIFIER,
        }
        return await self.browser.post("/auth/token", data=form | changes)

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "portal"}
        return await self.browser.post("/auth/token", data=form | changes)

    async def tokens(self, **fields: str) -> dict[str, Any]:
        answer = await self.exchange(await self.log_in(**fields))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def remembered(self, *columns: str) -> list[tuple[Any, ...]]:
        """The audit rows, oldest first."""
        async with self.front.database.connection() as connection:
            rows = await connection.fetch(f"SELECT {', '.join(columns)} FROM fhir.audit ORDER BY at, ctid")
        return [tuple(row) for row in rows]


def sent(answer: httpx.Response) -> dict[str, str]:
    """What a redirect to the app says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
async def portal(front: Front, monkeypatch: pytest.MonkeyPatch) -> Portal:
    monkeypatch.setattr("gateway.passwords._HASHER", _CHEAP)
    portal = Portal(front)
    await portal.register()
    return portal
