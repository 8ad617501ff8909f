"""A peer answers alike in this process and over HTTP; one that is away is told from one that says no."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.kit import directory
from services.kit.peers import AsgiApp, PeerAnswer, Peers, PeerUnavailable
from tests.listening import free_port, listening

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
BODY = '{"note":"龘"}'.encode()


async def echo(scope: Any, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    if scope["path"] == "/broken":
        raise RuntimeError("a bug")
    seen = {
        "method": scope["method"],
        "target": (scope["raw_path"] + b"?" + scope["query_string"]).decode(),
        "path": scope["path"],
        "mark": dict(scope["headers"]).get(b"x-mark", b"").decode(),
        "body": body.decode(),
    }
    await send({"type": "http.response.start", "status": 201, "headers": [(b"etag", b'W/"1"')]})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()[:5], "more_body": True})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()[5:]})


def serving(*types: str) -> AsgiApp:
    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        assert scope["path"] == directory.SERVED
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(
            {"type": "http.response.body", "body": json.dumps([{"type": t, "extra": 1} for t in types]).encode()}
        )

    return app


async def ask(peers: Peers, method: str = "POST", target: str = "/a%20b?c=d%7C1|2", body: bytes = BODY) -> PeerAnswer:
    return await peers.call("echo", method, target, [(b"x-mark", b"m"), (b"content-type", b"application/json")], body)


async def test_a_peer_sees_and_answers_the_same_in_process_and_over_http() -> None:
    async with listening(echo, free_port()) as base, Peers({"echo": base}) as far, Peers({"echo": echo}) as near:
        answers = [await ask(far), await ask(near)]
    for answer in answers:
        assert answer.status == 201
        assert (b"etag", b'W/"1"') in answer.headers
        assert json.loads(answer.body) == {
            "method": "POST",
            "target": "/a%20b?c=d%7C1|2",
            "path": "/a b",
            "mark": "m",
            "body": BODY.decode(),
        }


async def test_an_error_in_a_peer_is_a_500_in_both_ways() -> None:
    async with listening(echo, free_port()) as base, Peers({"echo": base}) as far, Peers({"echo": echo}) as near:
        assert [(await ask(peers, target="/broken")).status for peers in (far, near)] == [500, 500]


async def test_a_peer_that_is_away_is_unavailable_at_once_and_found_again_when_it_is_back() -> None:
    port = free_port()
    async with Peers({"echo": f"http://127.0.0.1:{port}"}) as peers:
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(PeerUnavailable):
                await ask(peers)
            assert time.monotonic() - started < 2
            async with listening(echo, port):
                assert (await ask(peers)).status == 201


async def test_a_peer_that_cannot_be_routed_to_is_unavailable_within_two_seconds() -> None:
    async with Peers({"echo": "http://192.0.2.1:8000"}) as peers:
        started = time.monotonic()
        with pytest.raises(PeerUnavailable):
            await ask(peers)
        assert time.monotonic() - started < 2


async def test_a_kept_connection_that_the_peer_closed_does_not_show_in_a_read() -> None:
    port = free_port()
    async with Peers({"echo": f"http://127.0.0.1:{port}"}) as peers:
        for _ in range(3):
            async with listening(echo, port):
                assert (await ask(peers, "GET", body=b"")).status == 201


async def test_an_unknown_name_is_an_unavailable_peer() -> None:
    with pytest.raises(PeerUnavailable):
        await Peers({}).call("nobody", "GET", "/", [], b"")


async def test_the_directory_learns_who_serves_what() -> None:
    peers = Peers({"records": serving("Patient"), "care": serving("CarePlan", "Goal")})
    assert [await peers.directory.owner(t) for t in ("Patient", "Goal", "Nothing")] == ["records", "care", None]
    assert (await peers.directory.served())["records"] == [{"type": "Patient", "extra": 1}]


async def test_a_type_is_unknown_only_when_every_peer_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "RETRY_SECONDS", 0.0)
    port = free_port()
    peers = Peers({"records": serving("Patient"), "care": f"http://127.0.0.1:{port}"})
    assert await peers.directory.owner("Patient") == "records"
    with pytest.raises(PeerUnavailable):
        await peers.directory.owner("CarePlan")
    with pytest.raises(PeerUnavailable):
        await peers.directory.served()
    async with listening(serving("CarePlan"), port):
        assert await peers.directory.owner("CarePlan") == "care"
        assert await peers.directory.owner("Nothing") is None
    assert await peers.directory.owner("CarePlan") == "care"


async def test_an_unknown_type_asks_the_peers_once_a_second_at_most() -> None:
    asked = 0

    async def counted(scope: Any, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        await serving("Patient")(scope, receive, send)

    peers = Peers({"records": counted})
    for _ in range(10):
        assert await peers.directory.owner("Nothing") is None
    assert asked == 1
