"""Notifications whatever fails in between: at least once, in order per resource, only to who may know: docs/adr/0030"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.fhir.subscriptions.notifier import Notifier
from services.fhir.subscriptions.pace import Pace
from tests.builders import observation
from tests.house import Json
from tests.matchers import assert_outcome
from tests.receiver import Receiver, receiving
from tests.subscriptions import AT_ONCE, Post, post_of, subscription, visit

OBSERVATIONS = "Observation?status=final,amended"


@pytest.fixture
async def post(clean_database: str) -> AsyncIterator[Post]:
    async with post_of(clean_database) as post:
        yield post


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def until(post: Post, holds: object, notifier: Notifier | None = None, seconds: float = 15) -> None:
    """Work on, as `forever` does, until it holds."""
    assert callable(holds)
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await (notifier or post.notifier).settle()
        await asyncio.sleep(0.01)


async def states(post: Post) -> list[str]:
    rows = await post.fetch("SELECT state FROM fhir.subscription_event ORDER BY subscription, number")
    return [row["state"] for row in rows]


async def test_an_endpoint_that_fails_is_tried_again_and_told_in_order(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    receiver.answer = lambda _: 500
    first = await post.created(visit())
    for at in ("received", "accepted"):
        await post.put(f"/Task/{first['id']}", visit(at, id=first["id"]))
    for _ in range(4):
        await post.notifier.settle()
        await asyncio.sleep(0.11)
    assert await post.status(made) == "error"
    stands = (await post.get(f"/Subscription/{made}/$status")).json()["entry"][0]["resource"]["parameter"]
    assert stands[-1] == {"name": "error", "valueCodeableConcept": {"text": "the endpoint answered 500"}}
    receiver.answer = lambda _: 200
    await until(post, lambda: len(receiver.events) == 3)
    assert receiver.seen("version") == [1, 2, 3]
    assert await post.status(made) == "active"
    assert await states(post) == ["delivered"] * 3


async def test_one_event_that_is_refused_holds_up_its_own_resource_alone(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url))
    poison = await post.created(visit())
    focus = f"Task/{poison['id']}"
    receiver.answer = lambda told: 422 if focus in told.body.decode() else 200
    await post.put(f"/{focus}", visit("received", id=poison["id"]))
    others = [await post.created(visit()) for _ in range(3)]
    await until(post, lambda: len(receiver.events) == 3)
    assert receiver.seen("focus") == [f"Task/{each['id']}" for each in others]
    receiver.answer = lambda _: 200
    await until(post, lambda: len(receiver.events) == 5)
    assert [e["version"] for e in receiver.events if e["focus"] == focus] == [1, 2]


@pytest.mark.parametrize("status", [302, 307, 404, 503])
async def test_an_endpoint_that_does_not_take_the_handshake_is_not_active(
    post: Post, receiver: Receiver, status: int
) -> None:
    receiver.answer = lambda _: status
    made = await post.subscribed(subscription(receiver.url))
    assert await post.status(made) == "error"
    await post.created(visit())
    receiver.answer = lambda _: 200
    await until(post, lambda: receiver.kinds == ["handshake"])
    assert await post.status(made) == "active"
    assert receiver.events == []


async def test_an_endpoint_that_may_not_be_called_when_it_is_called_gets_nothing(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere after it was looked at: DNS rebinding."""
    made = await post.subscribed(subscription(receiver.url))
    await post.created(visit())
    monkeypatch.setattr(post.notifier.service.outbound, "_networks", ())
    for _ in range(4):
        await post.notifier.settle()
        await asyncio.sleep(0.11)
    assert receiver.events == []
    assert await post.status(made) == "error"


async def test_a_silent_endpoint_is_given_up_and_does_not_hold_up_others(post: Post, receiver: Receiver) -> None:
    async with receiving() as slow:
        await post.subscribed(subscription(slow.url))
        await post.subscribed(subscription(receiver.url))
        slow.delay = 30
        await post.created(visit())
        working = asyncio.create_task(post.notifier.forever())
        for _ in range(100):
            await asyncio.sleep(0.05)
            if receiver.events:
                break
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert len(receiver.events) == 1


async def test_withdrawn_consent_stops_what_is_pending(post: Post, receiver: Receiver) -> None:
    """A gap in the numbers that are received, which `$events` tells without a focus, is an event that may no longer be known."""
    other = post.as_(organization="another", client="another-his")
    assert (await other.put("/Patient/elder", {"resourceType": "Patient", "id": "elder"})).status_code == 201
    agreed = consent("active")
    consented = await other.created(agreed)
    made = await post.subscribed(subscription(receiver.url, OBSERVATIONS))
    receiver.answer = lambda _: 503
    await other.created(observation("Patient/elder"))
    mine = await post.created(observation("Patient/mine"))
    await post.notifier.settle()
    assert await states(post) == ["pending", "pending"]
    withdrawn = agreed | {"status": "inactive", "id": consented["id"]}
    assert (await other.put(f"/Consent/{consented['id']}", withdrawn)).status_code == 200
    receiver.answer = lambda _: 200
    await until(post, lambda: len(receiver.events) == 1)
    assert receiver.events == [{"number": 2, "focus": f"Observation/{mine['id']}", "version": 1}]
    assert receiver.told[-1].value("events-since-subscription-start") == "2"
    assert await states(post) == ["withheld", "delivered"]
    parameters = (await post.get(f"/Subscription/{made}/$events")).json()["entry"][0]["resource"]["parameter"]
    told = [[p["name"] for p in each["part"]] for each in parameters if each["name"] == "notification-event"]
    assert told == [["event-number"], ["event-number", "timestamp", "focus"]]


async def test_a_label_that_comes_later_stops_what_is_pending(post: Post, receiver: Receiver) -> None:
    """Of a patient whom another institution has shared, under a label for which the hospital is not cleared."""
    other = post.as_(organization="another", client="another-his")
    assert (await other.put("/Patient/elder", {"resourceType": "Patient", "id": "elder"})).status_code == 201
    await other.created(consent("active"))
    await post.subscribed(subscription(receiver.url, OBSERVATIONS))
    receiver.answer = lambda _: 503
    labelled = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
    await other.created(observation("Patient/elder", meta=labelled))
    later = await other.created(observation("Patient/elder"))
    await post.notifier.settle()
    assert await states(post) == ["pending"]
    await other.put(f"/Observation/{later['id']}", observation("Patient/elder", id=later["id"], meta=labelled))
    receiver.answer = lambda _: 200
    for _ in range(3):
        await asyncio.sleep(0.11)
        await post.notifier.settle()
    assert await states(post) == ["withheld"]
    assert receiver.events == []


async def test_a_client_that_is_disabled_is_told_nothing_more(
    post: Post, receiver: Receiver, clean_database: str
) -> None:
    made = await post.subscribed(subscription(receiver.url))
    receiver.answer = lambda _: 503
    await post.created(visit())
    await post.notifier.settle()
    registry = await asyncpg.connect(clean_database)
    await registry.execute(
        "INSERT INTO gateway.client (client_id, organization, scopes, jwks, is_disabled, created_at) "
        "VALUES ('his', 'hospital', '', '{}', true, now())"
    )
    await registry.close()
    receiver.answer = lambda _: 200
    await post.created(visit())
    await asyncio.sleep(0.11)
    await post.notifier.settle()
    assert receiver.events == []
    assert await states(post) == ["dead"]
    assert await post.status(made) == "off"


async def test_what_could_not_be_told_in_time_is_a_dead_letter_that_can_be_replayed(
    post: Post, receiver: Receiver
) -> None:
    made = await post.subscribed(subscription(receiver.url))
    receiver.answer = lambda _: 500
    for _ in range(2):
        await post.created(visit())
    await post.notifier.settle()
    await post.execute("UPDATE fhir.subscription_event SET created = created - interval '97 hours' WHERE number = 1")
    await asyncio.sleep(0.11)
    await post.notifier.settle()
    assert await states(post) == ["dead", "pending"]
    receiver.answer = lambda _: 200
    await until(post, lambda: len(receiver.events) == 1)
    answer = await post.post(f"/Subscription/{made}/$replay", b"")
    assert answer.json()["parameter"] == [{"name": "count", "valueInteger": 1}]
    await until(post, lambda: len(receiver.events) == 2)
    assert receiver.seen("number") == [2, 1]


async def test_a_range_of_numbers_is_sent_once_more(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    for _ in range(5):
        await post.created(visit())
    await post.notifier.settle()
    path = f"/Subscription/{made}/$replay?eventsSinceNumber=2&eventsUntilNumber=4"
    assert (await post.post(path, b"")).json()["parameter"][0]["valueInteger"] == 3
    await post.notifier.settle()
    assert receiver.seen("number") == [1, 2, 3, 4, 5, 2, 3, 4]
    stands = (await post.get(f"/Subscription/{made}")).json()
    await post.put(f"/Subscription/{made}", stands | {"status": "off"})
    await post.notifier.settle()
    assert_outcome(await post.post(f"/Subscription/{made}/$replay", b""), 409, "business-rule")


async def test_a_heartbeat_comes_when_there_was_nothing_for_so_long(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url, heartbeat=10))
    await post.notifier.settle()
    assert receiver.kinds == ["handshake"]
    await post.execute("UPDATE fhir.subscriber SET sent = sent - interval '11 seconds', due = now()")
    await post.notifier.settle()
    assert receiver.kinds == ["handshake", "heartbeat"]
    assert receiver.told[-1].value("events-since-subscription-start") == "0"
    [row] = await post.fetch("SELECT due - now() AS waits FROM fhir.subscriber")
    assert timedelta(seconds=8) < row["waits"] <= timedelta(seconds=10)


async def test_a_commit_that_comes_late_is_told(post: Post, receiver: Receiver, clean_database: str) -> None:
    """Written before others that were committed, and read all the same: docs/adr/0013"""
    await post.subscribed(subscription(receiver.url))
    writer = await asyncpg.connect(clean_database)
    late = writer.transaction()
    await late.start()
    task_id = (await post.created(visit()))["id"]
    await post.notifier.settle()
    assert receiver.seen("version") == [1]
    await writer.execute(
        """INSERT INTO fhir.change (shard, type, id, version, at, method, author)
        SELECT shard, type, id, 2, at, 'PUT', author FROM fhir.change WHERE id = $1""",
        task_id,
    )
    await writer.execute(
        """INSERT INTO fhir.history (type, id, version, shard, updated, method, body, author, replaced)
        SELECT 'Task', id, 2, shard, updated, method, body, author, now() FROM fhir.task WHERE id = $1""",
        task_id,
    )
    await post.created(visit())
    working = asyncio.create_task(post.notifier.settle())
    await asyncio.sleep(0.1)
    assert len(receiver.events) == 1
    await late.commit()
    await working
    await post.notifier.settle()
    assert receiver.seen("number") == [1, 2, 3]
    assert receiver.seen("version") == [1, 2, 1]
    await writer.close()


async def test_many_processes_share_the_work_and_number_nothing_twice(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    notifiers = [post.another() for _ in range(4)]
    working = [asyncio.create_task(each.forever()) for each in notifiers]
    tasks = await asyncio.gather(*(post.created(visit()) for _ in range(40)))
    for each in tasks:
        await post.put(f"/Task/{each['id']}", visit("received", id=each["id"]))
    for _ in range(200):
        await asyncio.sleep(0.05)
        if len(receiver.events) >= 80:
            break
    for process in working:
        process.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    assert sorted(receiver.seen("number")) == [*range(1, 81)]
    for each in tasks:
        assert [e["version"] for e in receiver.events if e["focus"] == f"Task/{each['id']}"] == [1, 2]
    assert await post.status(made) == "active"


async def test_another_process_goes_on_when_one_dies_while_it_sends(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url))
    await post.created(visit())
    receiver.delay = 0.3
    dying = post.another(Pace(lease=timedelta(seconds=0.5)))
    sending = asyncio.create_task(dying.settle())
    await asyncio.sleep(0.15)
    assert (await post.fetch("SELECT worker FROM fhir.subscriber"))[0]["worker"]
    await post.execute("UPDATE fhir.subscriber SET worker = 'one that died'")
    await asyncio.wait([sending])
    receiver.delay = 0
    await post.execute("UPDATE fhir.subscription_event SET state = 'pending'")  # it died before it could say so
    await until(post, lambda: len(receiver.events) == 2)
    assert receiver.seen("number") == [1, 1]


async def test_it_is_told_within_a_second_of_the_commit(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url))
    working = asyncio.create_task(post.another(Pace()).forever())
    await asyncio.sleep(0.2)
    took = []
    for n in range(5):
        await post.created(visit())
        committed = datetime.now(UTC)
        while len(receiver.events) <= n:
            await asyncio.sleep(0.005)
        took.append(datetime.now(UTC) - committed)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert sorted(took)[2] < timedelta(seconds=1)


async def test_what_is_settled_is_forgotten_after_its_time(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    for _ in range(2):
        await post.created(visit())
    await post.notifier.settle()
    await post.execute("UPDATE fhir.subscription_event SET created = created - interval '31 days' WHERE number = 1")
    working = asyncio.create_task(post.another(AT_ONCE).forever())
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(await states(post)) == 1:
            break
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert (await post.get(f"/Subscription/{made}/$events")).text.count("notification-event") == 1
    assert receiver.told[-1].value("events-since-subscription-start") == "2"


def consent(status: str) -> Json:
    """The elder lets the hospital see everything."""
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/elder"},
        "policyRule": {"text": "知情同意"},
        "provision": {
            "type": "deny",
            "provision": [
                {
                    "type": "permit",
                    "actor": [
                        {
                            "role": {"coding": [{"code": "IRCP"}]},
                            "reference": {"reference": "Organization/hospital"},
                        }
                    ],
                }
            ],
        },
    }
