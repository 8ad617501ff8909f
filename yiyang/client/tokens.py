"""An access token that is there when it is needed, asked for anew in time.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

import asyncio
import time
from typing import Final

import httpx
import msgspec

from gateway.backend_client import TokenError, fetch_token
from yiyang.client.failure import ClientError, Issue

EARLY: Final = 0.2
"""The share of a token's life that is not used: a request must not carry one that ends on its way."""


class Credentials(msgspec.Struct, frozen=True):
    """Who asks: the client_id, the `kid` of its registered key, the private key in PEM; `scope` is narrowed to what is registered."""

    client_id: str
    kid: str
    private_key: str
    scope: str = "system/*.cruds"


class Tokens:
    """One for each Client; those who need one at the same time wait for the same."""

    def __init__(self, http: httpx.AsyncClient, base: str, credentials: Credentials) -> None:
        self._http = http
        self._base = base
        self._credentials = credentials
        self._asking = asyncio.Lock()
        self._text = ""
        self._until = 0.0

    async def get(self) -> str:
        """Raise ClientError 401 where there is none to be had; httpx.TransportError where nobody answers."""
        async with self._asking:
            if time.monotonic() >= self._until:
                await self._ask()
            return self._text

    def forget(self, text: str) -> None:
        """One that the server does not take any longer, unless another has come meanwhile."""
        if text == self._text:
            self._until = 0.0

    async def _ask(self) -> None:
        who, asked = self._credentials, time.monotonic()
        try:
            granted = await fetch_token(
                self._http, self._base, who.client_id, who.kid, who.private_key, who.scope, time.time()
            )
        except TokenError as error:
            raise ClientError(401, (Issue("error", "login", "未能取得令牌", str(error)),)) from error
        self._text = str(granted["access_token"])
        self._until = asked + float(granted["expires_in"]) * (1 - EARLY)
