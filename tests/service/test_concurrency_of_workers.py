"""Many clients at once on three real worker processes: nothing twice, nothing lost, nothing half, never a 5xx.

http://hl7.org/fhir/R4/http.html#concurrency. YIYANG_SOAK=n makes each test n times as long.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pytest

from services.kit.peers import Peers
from tests.builders import create, entry, observation, patient, transaction
from tests.e2e.servers import Server, running, yiyang
from tests.house import FHIR_JSON, Response

pytestmark = pytest.mark.long

Json = dict[str, Any]
SOAK: Final = max(1, int(float(os.environ.get("YIYANG_SOAK", "1"))))
ROUNDS: Final = 200 * SOAK
AT_ONCE: Final = 50
SYSTEM: Final = "http://example.org/mrn"


class Http:
    """A client of the gateway over HTTP, with a token."""

    def __init__(self, peers: Peers, server: Server) -> None:
        self._peers = peers
        self._server = server
        self._token = ""

    def renew(self) -> None:
        told = yiyang("token", "load", "--data", str(self._server.data_dir), "--base", self._server.base)
        assert told.returncode == 0, told.stderr
        self._token = told.stdout.strip()

    async def __call__(
        self, method: str, path: str, resource: Json | list[Json] | None = None, **headers: str
    ) -> Response:
        body = json.dumps(resource).encode() if resource is not None else b""
        fields = {"authorization": f"Bearer {self._token}", **({"content-type": FHIR_JSON} if body else {})}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
        answer = await self._peers.call("yiyang", method, f"/fhir{path}", encoded, body)
        return Response(answer.status, answer.headers, answer.body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("workers") / "data"
    with running(data_dir, workers=3) as server:
        place = ("--data", str(data_dir))
        added = yiyang("client", "add", "load", "--organization", "load", "--scopes", "system/*.cruds", *place)
        assert added.returncode == 0, added.stderr
        yield server


@pytest.fixture
async def http(server: Server) -> AsyncIterator[Http]:
    async with Peers({"yiyang": server.root}) as peers:
        client = Http(peers, server)
        client.renew()
        yield client


async def created(http: Http, resource: Json) -> Json:
    answer = await http("POST", f"/{resource['resourceType']}", resource)
    assert answer.status_code == 201, answer.text
    stored: Json = answer.json()
    return stored


async def all_of(*works: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*works))


async def bursts(at_once: int, call: Callable[[], Awaitable[Response]]) -> list[Response]:
    return [answer for _ in range(SOAK) for answer in await all_of(*(call() for _ in range(at_once)))]


async def test_fifty_conditional_creates_at_once_make_one_row_round_after_round(http: Http) -> None:
    """Every fourth round starts from a resource that was deleted, and every fourth from one that was changed: its claim is no hindrance."""
    for n in range(ROUNDS):
        mrn = uuid4().hex
        criteria = f"identifier={SYSTEM}|{mrn}"
        resource = patient(identifier=[{"system": SYSTEM, "value": mrn}])
        if n % 4 in (1, 2):
            before = (await http("POST", "/Patient", resource, if_none_exist=criteria)).json()
            path = f"/Patient/{before['id']}"
            await (http("DELETE", path) if n % 4 == 1 else http("PUT", path, patient(id=before["id"])))
        answers = await all_of(*(http("POST", "/Patient", resource, if_none_exist=criteria) for _ in range(AT_ONCE)))
        assert Counter(a.status_code for a in answers) == {201: 1, 200: AT_ONCE - 1}, n
        assert len({a.headers["location"] for a in answers}) == 1
        found = await http("GET", f"/Patient?{quote(criteria, safe='=')}")
        assert len(found.json()["entry"]) == 1
        if n % ROUNDS == ROUNDS - 1 or n % 200 == 199:
            http.renew()


async def test_updates_that_read_before_they_write_lose_nothing(http: Http) -> None:
    """Each writer adds its lines to one record, under If-Match, and tries again when it came too late."""
    path = f"/Basic/{(await created(http, {'resourceType': 'Basic', 'code': {'text': 'start '}}))['id']}"
    lines, writers = 5 * SOAK, 10

    async def write(writer: int) -> None:
        for line in range(lines):
            while True:
                read = await http("GET", path)
                resource = read.json()
                resource["code"]["text"] += f"{writer}-{line} "
                answer = await http("PUT", path, resource, if_match=read.headers["etag"])
                if answer.status_code == 200:
                    break
                assert answer.status_code in (409, 412), answer.text

    await all_of(*map(write, range(writers)))
    stored = (await http("GET", path)).json()
    kept = stored["code"]["text"].split()[1:]
    assert sorted(kept) == sorted(f"{w}-{n}" for w in range(writers) for n in range(lines))
    assert stored["meta"]["versionId"] == str(1 + writers * lines)


async def test_parallel_patches_are_each_applied_to_what_is_there(http: Http) -> None:
    path = f"/Patient/{(await created(http, patient(name=[{'given': ['x']}])))['id']}"

    async def patch(name: str) -> Response:
        change = [{"op": "add", "path": "/name/0/given/-", "value": name}]
        return await http("PATCH", path, change, content_type="application/json-patch+json")

    names = [f"n{n}" for n in range(20 * SOAK)]
    answers = await all_of(*map(patch, names))
    assert {a.status_code for a in answers} <= {200, 409}
    kept = [name for name, a in zip(names, answers, strict=True) if a.status_code == 200]
    assert len(kept) >= 15 * SOAK
    assert sorted((await http("GET", path)).json()["name"][0]["given"]) == sorted(["x", *kept])


async def test_parallel_updates_have_consecutive_versions_and_a_whole_history(http: Http) -> None:
    stored = await created(http, patient())
    path = f"/Patient/{stored['id']}"
    answers = await bursts(30, lambda: http("PUT", path, stored))
    assert {a.status_code for a in answers} <= {200, 409}, Counter(a.status_code for a in answers)
    versions = sorted(int(a.json()["meta"]["versionId"]) for a in answers if a.status_code == 200)
    assert versions == list(range(2, 2 + len(versions)))
    assert len(versions) >= 25 * SOAK
    history = (await http("GET", f"{path}/_history?_count=1000")).json()["entry"]
    assert [int(e["resource"]["meta"]["versionId"]) for e in history] == list(range(1 + len(versions), 0, -1))


async def test_transactions_over_the_same_rows_in_any_order_count_whole_or_not_at_all(http: Http) -> None:
    rows = [await created(http, patient()) for _ in range(3)]
    rows += [await created(http, {"resourceType": "Basic", "code": {"text": "x"}}) for _ in range(3)]
    mark = uuid4().hex

    def bundle() -> Json:
        puts = [entry("PUT", f"{r['resourceType']}/{r['id']}", r) for r in random.sample(rows, len(rows))]
        witness = observation(code={"text": "x"}, identifier=[{"system": SYSTEM, "value": mark}])
        return transaction(*puts, create(witness))

    answers = await bursts(40, lambda: http("POST", "", bundle()))
    counted = Counter(a.status_code for a in answers)
    assert counted.keys() <= {200, 409}, counted
    assert counted[200] >= 30 * SOAK
    for row in rows:
        read = (await http("GET", f"/{row['resourceType']}/{row['id']}")).json()
        assert read["meta"]["versionId"] == str(1 + counted[200])
    witnesses = (await http("GET", f"/Observation?identifier={mark}&_summary=count")).json()
    assert witnesses["total"] == counted[200]


async def test_a_reader_by_since_sees_every_version(http: Http) -> None:
    """It goes on from the instant of its last page, while transactions of many sizes commit out of order."""
    await http("GET", "/Basic/_history?_count=1")
    since = (await http("GET", "/Basic/_history?_count=1")).json()["meta"]["lastUpdated"]
    seen: set[str] = set()
    written: set[str] = set()

    async def read() -> None:
        nonlocal since
        path, following = f"/Basic/_history?_count=200&_since={since}", ""
        while path:
            page = (await http("GET", path)).json()
            following = following or page["meta"]["lastUpdated"]
            seen.update(f"{e['resource']['id']}/{e['resource']['meta']['versionId']}" for e in page.get("entry", ()))
            more = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
            path = more.partition("/fhir")[2]
        since = following

    async def write() -> None:
        for n in range(15 * SOAK):
            some = [create({"resourceType": "Basic", "code": {"text": "x"}}) for _ in range((1, 2, 60)[n % 3])]
            answer = await http("POST", "", transaction(*some))
            assert answer.status_code == 200, answer.text
            written.update(e["response"]["location"][6:].replace("/_history", "") for e in answer.json()["entry"])

    await while_running(read, [asyncio.create_task(write()) for _ in range(6)])
    await read()
    assert written - seen == set()


async def while_running(again: Callable[[], Awaitable[None]], tasks: list["asyncio.Task[None]"]) -> None:
    while not all(task.done() for task in tasks):
        await again()
    await all_of(*tasks)
