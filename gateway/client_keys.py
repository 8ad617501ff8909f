"""The keys of a client: those it registered, or those at the address that it registered, fetched when they are needed.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.keys import Jwk, KeyRefusedError, usable_keys
from gateway.registry import Client
from services.kit.logging import log
from services.kit.outbound import Outbound, OutboundFailedError, OutboundRefusedError

FRESH_SECONDS: Final = 3_600.0
STALE_SECONDS: Final = 86_400.0  # so long a client gets by while its address does not answer
RETRY_SECONDS: Final = 5.0  # an unknown kid lets the address be asked again no more often
MAX_SETS: Final = 1_000


class KeySet:
    """The keys at one address, as of the last time that it answered."""

    def __init__(
        self,
        url: str,
        outbound: Outbound,
        usable: Callable[[object], Sequence[Jwk]] = usable_keys,
    ) -> None:
        self._url = url
        self._outbound = outbound
        self._usable = usable
        self._keys: Sequence[Jwk] = ()
        self._fetched = self._tried = -2 * STALE_SECONDS
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> Sequence[Jwk]:
        """Return the keys of that kid; a new one is found as soon as the address shows it."""
        async with self._lock:
            now = time.monotonic()
            is_fresh = now - self._fetched < FRESH_SECONDS and any(key["kid"] == kid for key in self._keys)
            if not is_fresh and now - self._tried >= RETRY_SECONDS:
                self._tried = now
                await self._fetch()
        return [] if not self.is_known else [key for key in self._keys if key["kid"] == kid]

    @property
    def is_known(self) -> bool:
        """Whether the address has answered within a day."""
        return time.monotonic() - self._fetched <= STALE_SECONDS

    async def _fetch(self) -> None:
        try:
            answer = await self._outbound.get(self._url, {"accept": "application/json"})
            if answer.status != 200:  # noqa: PLR2004
                raise OutboundFailedError(f"status {answer.status}")  # noqa: TRY301 - told like every other failure
            self._keys = self._usable(msgspec.json.decode(answer.body))
        except (OutboundRefusedError, OutboundFailedError, msgspec.DecodeError, KeyRefusedError) as error:
            log("keys.unreachable", reason=type(error).__name__)
            return
        self._fetched = time.monotonic()


class ClientKeys:
    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._sets: dict[str, KeySet] = {}

    async def __call__(self, client: Client, kid: str) -> Sequence[Jwk]:
        """Return the keys of a client that have this kid."""
        if client.jwks_uri is None:
            return [key for key in client.jwks["keys"] if key["kid"] == kid]
        known = self._sets.get(client.jwks_uri)
        if known is None:
            if len(self._sets) >= MAX_SETS:
                del self._sets[next(iter(self._sets))]
            known = self._sets[client.jwks_uri] = KeySet(client.jwks_uri, self._outbound)
        return await known.find(kid)
