"""`yiyang.client` against a server that fails as servers do: its tokens, its retries, its journal (docs/client.md)."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.keys import KeyPair, generate_key_pair
from tests.builders import observation, patient
from yiyang.client import Client, ClientError, Credentials, JournalError, Retry, push, pushing
from yiyang.client.retrying import retry_after

BASE = "https://yiyang.test/fhir"
QUICK = Retry(attempts=4, first=0.001, longest=0.01)
Answering = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def keys() -> KeyPair:
    return generate_key_pair(2048)


class Server:
    """Gives tokens; answers all else with what a test puts `next`, then with a 200 of the request's own body."""

    def __init__(self) -> None:
        self.next: list[Any] = []
        self.asked: list[httpx.Request] = []
        self.tokens = 0
        self.life = 300

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("smart-configuration"):
            return httpx.Response(200, json={"token_endpoint": "https://yiyang.test/auth/token"})
        if request.url.path == "/auth/token":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": self.life})
        self.asked.append(request)
        answer = self.next.pop(0) if self.next else self.well
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else httpx.Response(*answer[:1], headers=answer[1], json=answer[2])

    def well(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("$ingest"):
            entries = [{"response": {"status": "201 Created"}} for _ in request.content.split(b"\n")]
            return httpx.Response(200, json={"resourceType": "Bundle", "type": "batch-response", "entry": entries})
        return httpx.Response(200, json=json.loads(request.content or b"{}"))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def client(server: Server, keys: KeyPair) -> AsyncIterator[Client]:
    http = httpx.AsyncClient(transport=httpx.MockTransport(server))
    async with Client(BASE, Credentials("home", keys.kid, keys.private_key), retry=QUICK, http=http) as client:
        yield client


def busy(status: int = 503, **headers: str) -> tuple[int, dict[str, str], Any]:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, {"issue": []}


async def test_a_create_is_made_again_under_the_same_key_until_it_is_answered(client: Client, server: Server) -> None:
    server.next = [busy(429, retry_after="0"), httpx.ConnectError("away"), busy(503)]
    assert (await client.create(patient()))["resourceType"] == "Patient"
    made = {request.headers["idempotency-key"] for request in server.asked}
    assert (len(server.asked), len(made)) == (4, 1)


async def test_what_goes_on_too_long_is_told(client: Client, server: Server) -> None:
    server.next = [busy(503)] * 9
    with pytest.raises(ClientError) as told:
        await client.read("Patient", "1")
    assert (told.value.status, len(server.asked)) == (503, QUICK.attempts)


async def test_what_is_refused_is_told_in_its_words_and_not_asked_again(client: Client, server: Server) -> None:
    issue = {
        "severity": "error",
        "code": "value",
        "details": {"text": "有误"},
        "diagnostics": "wrong",
        "expression": ["Patient.x"],
    }
    server.next = [(422, {}, {"resourceType": "OperationOutcome", "issue": [issue]})]
    with pytest.raises(ClientError) as told:
        await client.create(patient())
    (found,) = told.value.issues
    assert (found.text, found.diagnostics, found.expression) == ("有误", "wrong", ("Patient.x",))
    assert len(server.asked) == 1


async def test_a_request_that_is_under_way_already_is_waited_for(client: Client, server: Server) -> None:
    server.next = [busy(409, retry_after="0")]
    await client.create(patient())
    assert len(server.asked) == 2
    server.next = [busy(409)]
    with pytest.raises(ClientError):
        await client.create(patient())


async def test_a_token_serves_many_requests_and_is_renewed_in_time(client: Client, server: Server) -> None:
    for _ in range(3):
        await client.read("Patient", "1")
    assert server.tokens == 1
    server.next = [busy(401)]
    await client.read("Patient", "1")
    assert server.tokens == 2
    assert server.asked[-1].headers["authorization"] == "Bearer t2"


async def test_a_token_that_ends_at_once_is_asked_for_each_time(client: Client, server: Server) -> None:
    server.life = 0
    await client.read("Patient", "1")
    await client.read("Patient", "1")
    assert server.tokens == 2


async def test_pages_follow_each_other_and_a_token_goes_to_no_other_server(client: Client, server: Server) -> None:
    def page(name: str, following: str | None) -> Answering:
        links = [{"relation": "next", "url": following}] if following else []
        entry = [
            {"resource": {"id": name}, "search": {"mode": "match"}},
            {"resource": {}, "search": {"mode": "outcome"}},
        ]
        return lambda _: httpx.Response(200, json={"link": links, "entry": entry})

    server.next = [page("1", "http://inside:8000/fhir/Patient?_page=x"), page("2", None)]
    assert [each["id"] async for each in client.search("Patient", {"identifier": "s|v", "name": ["王", "李"]})] == [
        "1",
        "2",
    ]
    assert str(server.asked[1].url) == f"{BASE}/Patient?_page=x"
    assert server.asked[0].content == b"_count=200&identifier=s%7Cv&name=%E7%8E%8B&name=%E6%9D%8E"
    server.next = [page("1", "https://elsewhere.test/steal")]
    with pytest.raises(ClientError):
        _ = [each async for each in client.search("Patient")]


async def test_a_receipt_that_comes_later_is_waited_for(client: Client, server: Server) -> None:
    entries = [
        {"response": {"status": "201 Created", "location": "Observation/1/_history/1"}},
        {"response": {"status": "422"}},
    ]
    job = f"{BASE}/$job/7"
    server.next = [
        (202, {"content-location": job}, {}),
        (202, {"retry-after": "0"}, {}),
        (200, {}, {"resourceType": "Bundle", "entry": entries}),
    ]
    found = await client.ingest([observation(), b"{}"])
    assert [(each.status, each.is_new, each.is_refused) for each in found] == [(201, True, False), (422, False, True)]
    assert [request.url.path for request in server.asked[1:]] == ["/fhir/$job/7"] * 2


async def test_a_receipt_that_is_kept_no_longer_is_asked_for_by_the_records(client: Client, server: Server) -> None:
    server.next = [(202, {"content-location": f"{BASE}/$job/7"}, {}), busy(404)]
    assert len(await client.ingest([observation()], key="k")) == 1
    assert [request.headers.get("idempotency-key") == "k" for request in server.asked] == [True, False, False]


@pytest.mark.parametrize(("said", "seconds"), [("3", 3.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)])
def test_retry_after_is_a_number_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(503, headers={"retry-after": said})) == seconds


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "day.ndjson"
    lines = [json.dumps(observation(id=str(n))) for n in range(7)]
    path.write_text("\n".join([lines[0], "", *lines[1:]]) + "\n")
    return path


async def test_a_file_is_pushed_in_batches_and_its_lines_are_named(
    client: Client, server: Server, records: Path
) -> None:
    refusing = {"status": "422", "outcome": {"issue": [{"severity": "error", "code": "value"}]}}
    entries = [{"response": each} for each in ({"status": "201 Created"}, refusing, {"status": "200 OK"})]
    server.next = [(200, {}, {"entry": entries})]
    told: list[tuple[int, int]] = []
    done = await push(client, records, size=3, at_once=1, tell=lambda *each: told.append(each))
    assert (done.new, done.known, [*done.refused]) == (5, 1, [3])
    assert told == [(3, 2), (3, 3), (1, 1)]


async def test_a_push_that_was_stopped_sends_only_what_is_not_receipted(
    client: Client, server: Server, records: Path
) -> None:
    server.next = [server.well, busy(422)]
    with pytest.raises(ClientError):
        await push(client, records, size=3, at_once=1)
    journal = records.with_name("day.ndjson.journal")
    journal.write_bytes(journal.read_bytes() + b'{"lines":[5],"receipts":[{"sta')  # killed while it wrote
    done = await push(client, records, size=3, at_once=1)
    assert (done.new, len(server.asked)) == (7, 4)
    keys = [request.headers["idempotency-key"] for request in server.asked]
    assert keys[1] == keys[2]
    assert (await push(client, records, size=3)).new == 7
    assert len(server.asked) == 4


def refusing(code: str, *, status: int = 422, among: int) -> tuple[int, dict[str, str], Any]:
    """The first of so many records is refused, the rest stored."""
    refused = {"status": str(status), "outcome": {"issue": [{"severity": "error", "code": code}]}}
    entries = [{"response": each} for each in (refused, *[{"status": "201 Created"}] * (among - 1))]
    return 200, {}, {"entry": entries}


async def test_what_was_refused_is_sent_again_by_the_next_push_and_nothing_else(
    client: Client, server: Server, records: Path
) -> None:
    server.next = [refusing("not-found", among=7)]
    assert [*(await push(client, records)).refused] == [1]
    told: list[tuple[int, int]] = []
    done = await push(client, records, tell=lambda *each: told.append(each))  # the elder is registered by now
    assert (done.new, done.refused, told) == (7, {}, [(6, 6), (1, 1)])
    first, second = server.asked
    assert json.loads(second.content)["id"] == "0"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


async def test_without_its_journal_a_push_is_another_one(client: Client, server: Server, records: Path) -> None:
    server.next = [refusing("not-found", among=7)]
    await push(client, records)
    records.with_name("day.ndjson.journal").unlink()
    assert (await push(client, records)).refused == {}
    assert len({request.headers["idempotency-key"] for request in server.asked}) == 2


async def test_what_met_others_at_the_same_moment_is_sent_again_at_once(
    client: Client, server: Server, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "PAUSE_SECONDS", 0.0)
    server.next = [refusing("conflict", status=409, among=7), refusing("transient", status=503, among=1)]
    told: list[tuple[int, int]] = []
    done = await push(client, records, tell=lambda *each: told.append(each))
    assert (done.new, done.refused, told) == (7, {}, [(7, 6), (0, 0), (0, 1)])
    server.next = [refusing("duplicate", status=409, among=7)]
    done = await push(client, records, records.with_name("another"))
    assert [*done.refused] == [1]
    assert len(server.asked) == 4


async def test_a_journal_of_another_file_is_refused(client: Client, records: Path) -> None:
    await push(client, records)
    records.write_text(records.read_text() + json.dumps(observation()) + "\n")
    with pytest.raises(JournalError):
        await push(client, records)


async def test_a_batch_whose_first_sender_died_is_sent_under_another_key(client: Client, server: Server) -> None:
    server.next = [busy(409, retry_after="0") for _ in range(3)]
    server.next[1:] = [busy(409)]
    assert len(await client.ingest([observation()], key="k")) == 1
    assert [request.headers["idempotency-key"] == "k" for request in server.asked] == [True, True, False]
