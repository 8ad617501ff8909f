"""Keys are exchanged without a refused request: those that sign tokens, those of clients, the internal one."""

import asyncio
import json
import time
from datetime import timedelta

import pytest

from gateway.jws import open_compact
from gateway.keys import KeyPair, generate_key_pair
from gateway.registry import Options, SigningKeys
from gateway.registry.revocations import MAX_AGE_SECONDS
from services.kit.outbound import Outbound, OutboundAnswer, OutboundFailedError
from tests.front import KEY, Front
from tests.matchers import assert_outcome

URI = "https://his.example.org/jwks"


def _kid(headers: dict[str, str]) -> str:
    return str(open_compact(headers["Authorization"].removeprefix("Bearer ")).header["kid"])


async def _published(front: Front) -> list[str]:
    return [key["kid"] for key in (await front.http.get("/auth/jwks")).json()["keys"]]


async def test_a_signing_key_is_exchanged_without_a_refused_request(
    front: Front, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.registry.signing_keys.RELOAD_SECONDS", 0)
    await front.register(keys)
    replicas = [front.http, front.connect(front.replica())]

    async def works(headers: dict[str, str]) -> bool:
        answers = [await replica.get("/fhir/Patient/1", headers=headers) for replica in replicas]
        return [answer.status_code for answer in answers] == [200, 200]

    before = await front.bearer(keys)
    first = _kid(before)
    second = await SigningKeys(front.database.engine, front.settings.key, front.clock).rotate(timedelta(minutes=10))
    assert await _published(front) == [second, first]
    assert _kid(await front.bearer(keys)) == first
    assert await works(before)
    front.clock.advance(595)
    last = await front.bearer(keys)
    front.clock.advance(10)
    after = await front.bearer(keys)
    assert (_kid(last), _kid(after)) == (first, second)
    assert await works(last)
    assert await works(after)
    assert await _published(front) == [second, first]
    front.clock.advance(4000)
    assert await _published(front) == [second]


async def test_what_a_retired_key_signed_is_refused_by_every_replica_within_five_seconds(
    front: Front, keys: KeyPair
) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    replicas = [front.http, front.connect(front.replica())]
    for replica in replicas:
        assert (await replica.get("/fhir/Patient/1", headers=headers)).status_code == 200
    store = SigningKeys(front.database.engine, front.settings.key, front.clock)
    assert [await store.retire("nothing"), await store.retire(_kid(headers))] == [False, True]
    started = time.monotonic()
    for replica in replicas:
        while (await replica.get("/fhir/Patient/1", headers=headers)).status_code == 200:
            await asyncio.sleep(0.1)
        assert_outcome(await replica.get("/fhir/Patient/1", headers=headers), 401, "login")
    assert time.monotonic() - started < MAX_AGE_SECONDS
    fresh = front.connect(front.replica())
    assert _kid(headers) not in (await fresh.get("/auth/jwks")).text


async def test_the_internal_key_is_exchanged_without_a_refused_request(
    front: Front, keys: KeyPair, clean_database: str
) -> None:
    await front.register(keys)
    new = "fedcba9876543210-another-key-for-tests"
    for internal_key in (f"{KEY},{new}", f"{new},{KEY}"):
        async with Front(clean_database, internal_key=internal_key) as other:
            headers = await front.bearer(keys)
            assert (await other.http.get("/fhir/Nothing", headers=headers)).status_code == 404


class _Published:
    """What a client shows at its address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *pairs: KeyPair) -> None:
        self.pairs = list(pairs)
        self.asked: list[str] = []
        self.is_away = False
        monkeypatch.setattr(Outbound, "get", lambda _outbound, url, _headers=None: self._get(url))

    async def _get(self, url: str) -> OutboundAnswer:
        self.asked.append(url)
        if self.is_away:
            raise OutboundFailedError("away")
        others = [{"kty": "oct", "kid": "x"}, {"kty": "RSA", "kid": "e", "use": "enc", "n": "AQAB", "e": "AQAB"}]
        return OutboundAnswer(200, {}, json.dumps({"keys": [*others, *(p.public_jwk for p in self.pairs)]}).encode())


async def test_a_client_may_publish_its_keys_and_exchange_them(
    front: Front, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = _Published(monkeypatch, keys)
    await front.clients.add("clinic-his", "clinic", "system/*.cruds", None, Options(jwks_uri=URI))
    assert [(await front.ask_token(keys)).status_code for _ in range(3)] == [200, 200, 200]
    assert published.asked == [URI]
    second = generate_key_pair(2048)
    published.pairs.append(second)
    assert (await front.ask_token(second)).json()["error"] == "invalid_client"  # asked a moment ago
    monkeypatch.setattr("gateway.client_keys.RETRY_SECONDS", 0.0)
    assert (await front.ask_token(second)).status_code == 200
    published.is_away = True
    assert (await front.ask_token(second)).status_code == 200
    assert (await front.ask_token(generate_key_pair(2048))).json()["error"] == "invalid_client"


async def test_unknown_kids_do_not_make_the_gateway_call_again_and_again(
    front: Front, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = _Published(monkeypatch, keys)
    await front.clients.add("clinic-his", "clinic", "system/*.cruds", None, Options(jwks_uri=URI))
    stranger = generate_key_pair(2048)
    assert {(await front.ask_token(stranger)).status_code for _ in range(5)} == {401}
    assert len(published.asked) == 1


@pytest.mark.parametrize("uri", ["https://127.0.0.1/jwks", "https://localhost/jwks", "https://169.254.169.254/jwks"])
async def test_keys_are_not_fetched_from_inside(front: Front, keys: KeyPair, uri: str) -> None:
    await front.clients.add("clinic-his", "clinic", "system/*.cruds", None, Options(jwks_uri=uri))
    assert (await front.ask_token(keys)).json()["error"] == "invalid_client"
