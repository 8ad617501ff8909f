"""Topic-based subscriptions: asked for, shaken hands on, told: http://hl7.org/fhir/uv/subscriptions-backport"""

import json
from collections.abc import AsyncIterator

import pytest

from services.fhir.subscriptions.channel import SECRET as SECRET_EXTENSION
from services.fhir.validation import validate
from tests.builders import care_plan, create, known_patient, observation, patient, transaction
from tests.house import Json, Response
from tests.matchers import assert_outcome
from tests.receiver import SECRET, Receiver, receiving
from tests.referrals import Scene
from tests.subscriptions import TOPIC, Post, post_of, subscription, visit

NOTHING: Json = {"extension": [{"url": "http://example.org/why", "valueString": "没有值"}]}


@pytest.fixture
async def post(clean_database: str) -> AsyncIterator[Post]:
    async with post_of(clean_database) as post:
        yield post


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def told(post: Post) -> None:
    await post.notifier.settle()


def assert_refused(answer: Response, element: str) -> None:
    """As what cannot be understood, at this element, whatever the exact code."""
    assert answer.status_code == 422, answer.text
    assert [element] in [issue.get("expression") for issue in answer.json()["issue"]], answer.text


async def test_a_handshake_makes_a_subscription_active(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url, secret=SECRET, header=["Authorization: Bearer t-1"]))
    assert await post.status(made) == "active"
    [handshake] = receiver.told
    assert handshake.kind == "handshake"
    assert handshake.value("status") == "requested"
    assert handshake.value("events-since-subscription-start") == "0"
    assert handshake.value("topic") == f"{TOPIC}/resource-changed"
    assert handshake.headers["authorization"] == "Bearer t-1"
    assert handshake.headers["content-type"] == "application/fhir+json"
    assert handshake.is_signed_with(SECRET)
    validate(handshake.bundle)


async def test_a_new_referral_is_told_to_the_institution_that_it_is_sent_to(post: Post, receiver: Receiver) -> None:
    scene = await Scene.set(post)
    hospital = scene.organizations[1]
    mine = subscription(receiver.url, "referral-changed", f"Task?owner=Organization/{hospital}")
    await post.subscribed(mine, scene.fulfiller)
    task = await scene.submitted()
    await scene.meet()
    await scene.submitted(owner=2)
    await post.created(visit(owner={"reference": f"Organization/{hospital}"}))
    await told(post)
    assert receiver.events == [{"number": 1, "focus": f"Task/{task['id']}", "version": 1}]
    event = receiver.told[-1]
    assert event.bundle["type"] == "history"
    assert event.value("type") == "event-notification"
    assert event.value("events-since-subscription-start") == "1"
    assert event.bundle["entry"][1]["request"] == {"method": "POST", "url": "Task"}
    assert "resource" not in event.bundle["entry"][1]
    assert (await scene.fulfiller.get(f"/Task/{task['id']}")).status_code == 200
    validate(event.bundle)


async def test_each_step_of_a_referral_is_told_to_both_sides(post: Post, receiver: Receiver) -> None:
    scene = await Scene.set(post)
    async with receiving() as sender:
        placer, fulfiller = (f"Organization/{each}" for each in scene.organizations[:2])
        asked = subscription(sender.url, "referral-changed", f"Task?requester={placer}")
        await post.subscribed(asked, scene.placer)
        await post.subscribed(
            subscription(receiver.url, "referral-changed", f"Task?owner={fulfiller}"), scene.fulfiller
        )
        task = await scene.at("treating")
        await told(post)
        assert receiver.seen("version") == sender.seen("version") == [*range(1, int(task["meta"]["versionId"]) + 1)]
        assert receiver.seen("number") == receiver.seen("version")


async def test_every_version_is_told_in_order_under_numbers_without_a_gap(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url))
    tasks = [await post.created(visit()) for _ in range(3)]
    for at in ("received", "accepted"):
        for each in tasks:
            await post.put(f"/Task/{each['id']}", visit(at=at, id=each["id"]))
    await post.delete(f"/Task/{tasks[0]['id']}")
    await told(post)
    assert receiver.seen("number") == [*range(1, 11)]
    for each in tasks:
        versions = [e["version"] for e in receiver.events if e["focus"] == f"Task/{each['id']}"]
        assert versions == [*range(1, len(versions) + 1)]
    assert receiver.told[-1].bundle["entry"][-1]["request"]["method"] == "DELETE"


async def test_what_was_rolled_back_is_never_told(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url))
    failing = transaction(create(visit()), create({"resourceType": "Observation"}))
    assert (await post.post("/", failing)).status_code == 422
    late = visit(at="received", id="stale")
    assert (await post.put("/Task/stale", late, if_match='W/"7"')).status_code == 412
    await told(post)
    assert receiver.events == []


async def test_several_events_come_in_one_notification_up_to_the_maximum_that_was_asked_for(
    post: Post, receiver: Receiver
) -> None:
    await post.subscribed(subscription(receiver.url, most=2))
    for _ in range(5):
        await post.created(visit())
    await told(post)
    assert [len(each.events) for each in receiver.told] == [0, 2, 2, 1]


async def test_empty_content_tells_the_number_alone(post: Post, receiver: Receiver) -> None:
    await post.subscribed(subscription(receiver.url, content="empty"))
    await post.created(visit())
    await told(post)
    assert receiver.events == [{"number": 1}]
    assert len(receiver.told[-1].bundle["entry"]) == 1
    assert "topic" not in receiver.told[-1].body.decode()


async def test_a_subscription_by_a_search_is_one_to_any_change_that_the_search_finds(
    post: Post, receiver: Receiver
) -> None:
    """R4's own criteria: http://hl7.org/fhir/R4/subscription-definitions.html#Subscription.criteria"""
    await post.subscribed(subscription(receiver.url, "Observation?code=http://loinc.org|8867-4&patient=Patient/a"))
    found = await post.created(observation("Patient/a"))
    await post.created(observation("Patient/b"))
    await told(post)
    assert receiver.seen("focus") == [f"Observation/{found['id']}"]


async def test_filters_of_several_types_are_alternatives(post: Post, receiver: Receiver) -> None:
    filters = ("CarePlan?patient=Patient/a", "Observation?patient=Patient/a", "Observation?status:not=final")
    await post.subscribed(subscription(receiver.url, "resource-changed", *filters))
    plan = await post.created(care_plan("Patient/a"))
    await post.created(observation("Patient/a"))
    early = await post.created(observation("Patient/a", status="preliminary"))
    await told(post)
    assert receiver.seen("focus") == [f"CarePlan/{plan['id']}", f"Observation/{early['id']}"]


async def test_what_is_off_is_told_no_longer(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    await post.created(visit())
    await told(post)
    stands = (await post.get(f"/Subscription/{made}")).json()
    assert (await post.put(f"/Subscription/{made}", stands | {"status": "off"})).status_code == 200
    await post.created(visit())
    await told(post)
    assert receiver.seen("number") == [1]
    assert (await post.put(f"/Subscription/{made}", stands | {"status": "requested"})).status_code == 200
    await told(post)
    await post.created(visit())
    await told(post)
    assert receiver.seen("number") == [1, 2]
    assert receiver.kinds.count("handshake") == 2
    assert (await post.delete(f"/Subscription/{made}")).status_code == 204
    await post.created(visit())
    await told(post)
    assert receiver.seen("number") == [1, 2]


async def test_a_subscription_ends_when_it_says(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url, end="2024-05-01T08:00:00+08:00"))
    assert await post.status(made) == "off"
    assert receiver.told == []


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"criteria": f"{TOPIC}/unknown"}, "Subscription.criteria"),
        ({"_criteria": None}, "Subscription.criteria"),
        ({"criteria": "Subscription?status=active"}, "Subscription.criteria"),
        ({"criteria": "Nothing?status=active"}, "Subscription.criteria"),
        ({"criteria": "Task?unknown=1"}, "Subscription.criteria"),
        ({"criteria": "Task?owner.name=a"}, "Subscription.criteria"),
        ({"criteria": "Task?modified=gt2024"}, "Subscription.criteria"),
        ({"criteria": "Patient?name=王"}, "Subscription.criteria"),
        ({"criteria": None, "_criteria": NOTHING}, "Subscription.criteria"),
        ({"status": None, "_status": NOTHING}, "Subscription.status"),
        ({"status": "active"}, "Subscription.status"),
        ({"status": "error"}, "Subscription.status"),
    ],
)
async def test_a_subscription_that_cannot_be_served_is_refused(post: Post, changes: Json, element: str) -> None:
    resource = {k: v for k, v in (subscription("https://his.example.org/hook") | changes).items() if v is not None}
    assert_refused(await post.post("/Subscription", resource), element)


@pytest.mark.parametrize("text", ["CarePlan?status=active", "Task?based-on=ServiceRequest/1", "owner=Organization/1"])
async def test_a_topic_is_narrowed_only_by_its_own_filters(post: Post, text: str) -> None:
    resource = subscription("https://his.example.org/hook", "referral-changed", text)
    assert_outcome(await post.post("/Subscription", resource), 422, "not-supported", "Subscription.criteria")


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"type": "email"}, "type"),
        ({"type": "websocket"}, "type"),
        ({"type": None, "_type": NOTHING}, "type"),
        ({"endpoint": None}, "endpoint"),
        ({"header": [None], "_header": [NOTHING]}, "header"),
        ({"extension": [{"url": SECRET_EXTENSION, "valueInteger": 1}]}, "extension"),
        ({"endpoint": "https://10.0.0.1/hook"}, "endpoint"),
        ({"endpoint": "https://[::1]/hook"}, "endpoint"),
        ({"endpoint": "https://169.254.169.254/latest"}, "endpoint"),
        ({"endpoint": "https://user:password@his.example.org/"}, "endpoint"),
        ({"endpoint": "ftp://his.example.org/"}, "endpoint"),
        ({"payload": "application/fhir+xml"}, "payload"),
        ({"header": ["Host: other.example.org"]}, "header"),
        ({"header": ["X-Yiyang-Signature: sha256=00"]}, "header"),
        ({"header": ["no colon"]}, "header"),
        ({"header": ["A: 1\u0085B: 2"]}, "header"),
        ({"header": [f"A-{n}: 1" for n in range(11)]}, "header"),
        ({"extension": subscription("https://a.example", secret="short")["channel"]["extension"]}, "extension"),
        ({"extension": subscription("https://a.example", heartbeat=1)["channel"]["extension"]}, "extension"),
    ],
)
async def test_a_channel_that_cannot_be_served_is_refused(post: Post, changes: Json, element: str) -> None:
    """Loopback is open to the receivers of tests, the rest of the guard is as it is."""
    resource = subscription("https://his.example.org/hook")
    resource["channel"] = {k: v for k, v in (resource["channel"] | changes).items() if v is not None}
    assert_refused(await post.post("/Subscription", resource), f"Subscription.channel.{element}")


async def test_whole_resources_are_not_sent(post: Post) -> None:
    resource = subscription("https://his.example.org/hook", content="full-resource")
    assert_outcome(await post.post("/Subscription", resource), 422, "not-supported", "Subscription.channel.payload")


async def test_who_may_not_read_a_type_is_not_told_of_it(post: Post) -> None:
    limited = post.as_(scopes=("system/Subscription.cruds", "system/Observation.rs"))
    refused = await limited.post("/Subscription", subscription("https://his.example.org/hook", "referral-changed"))
    assert_outcome(refused, 403, "forbidden", "Subscription.criteria")
    allowed = subscription("https://his.example.org/hook", "Observation?patient=Patient/a")
    assert (await limited.post("/Subscription", allowed)).status_code == 201


@pytest.mark.parametrize("who", [{"purpose": "BTG"}, {"practitioner": "Patient/a"}])
async def test_an_emergency_or_a_person_does_not_subscribe(post: Post, who: Json) -> None:
    refused = await post.as_(**who).post("/Subscription", subscription("https://his.example.org/hook"))
    assert_outcome(refused, 403, "forbidden")


async def test_a_national_id_stands_in_no_criteria(post: Post) -> None:
    """docs/adr/0019"""
    identity = known_patient()["identifier"][0]["value"]
    resource = subscription("https://his.example.org/hook", f"Patient?identifier={identity}")
    assert_outcome(await post.post("/Subscription", resource), 422, "security", "Subscription.criteria")


async def test_a_subscription_may_be_a_part_of_a_transaction(post: Post, receiver: Receiver) -> None:
    """Across owners, so under the wider role: docs/adr/0018"""
    parts = transaction(create(subscription(receiver.url)), create(visit()), create(care_plan("Patient/a")))
    assert (await post.post("/", parts)).status_code == 200
    await told(post)
    await post.created(visit())
    await told(post)
    assert receiver.kinds == ["handshake", "event-notification"]
    assert receiver.seen("number") == [1]


async def test_another_endpoint_shakes_hands_anew_and_nothing_is_lost_meanwhile(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    stands = (await post.get(f"/Subscription/{made}")).json()
    moved = stands | {"channel": stands["channel"] | {"endpoint": receiver.url.replace("key=1", "key=2")}}
    assert_outcome(await post.put(f"/Subscription/{made}", moved), 422, "business-rule", "Subscription.status")
    assert (await post.put(f"/Subscription/{made}", moved | {"status": "requested"})).status_code == 200
    await post.created(visit())
    await told(post)
    assert receiver.kinds == ["handshake", "handshake", "event-notification"]
    assert await post.status(made) == "active"


async def test_secrets_are_never_shown_again(post: Post, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    resource = subscription(receiver.url, secret=SECRET, header=["Authorization: Bearer very-secret-token"])
    answer = await post.post("/Subscription", resource)
    made = answer.json()["id"]
    await told(post)
    seen = answer.text + caplog.text
    for path in ("", "/_history", "/_history/1", "/$status", "/$events"):
        seen += (await post.get(f"/Subscription/{made}{path}")).text
    seen += (await post.get(f"/Subscription?_id={made}")).text
    rows = await post.fetch("SELECT t::text FROM fhir.subscription t UNION ALL SELECT s::text FROM fhir.subscriber s")
    seen += str(rows)
    assert SECRET not in seen
    assert "very-secret-token" not in seen
    assert receiver.told[0].headers["authorization"] == "Bearer very-secret-token"
    stands = (await post.get(f"/Subscription/{made}")).json()
    assert (await post.put(f"/Subscription/{made}", stands | {"reason": "另一用途"})).status_code == 200
    await post.created(visit())
    await told(post)
    assert receiver.told[-1].headers["authorization"] == "Bearer very-secret-token"
    assert receiver.told[-1].is_signed_with(SECRET)


async def test_a_sealed_secret_is_of_no_use_to_another_institution(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url, header=["Authorization: Bearer t-1"]))
    stolen = (await post.get(f"/Subscription/{made}")).json()["channel"]["header"]
    other = post.as_(organization="another", client="another-his")
    refused = await other.post("/Subscription", subscription("https://thief.example.org/", header=stolen))
    assert_refused(refused, "Subscription.channel.header")


async def test_a_new_secret_is_told_once_and_signs_from_then_on(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    answer = await post.post(f"/Subscription/{made}/$rotate-secret", b"")
    secret = answer.json()["parameter"][0]["valueString"]
    assert await post.status(made) == "active"
    assert secret not in (await post.get(f"/Subscription/{made}")).text
    await post.created(visit())
    await told(post)
    assert receiver.told[-1].is_signed_with(secret)
    assert receiver.kinds == ["handshake", "event-notification"]


async def test_topics_and_their_filters_are_published(post: Post) -> None:
    bundle = (await post.get("/Subscription/$topics")).json()
    validate(bundle)
    urls = [e["resource"]["extension"][0]["valueUri"] for e in bundle["entry"]]
    assert urls == [f"{TOPIC}/{n}" for n in ("referral-changed", "alert", "care-plan-changed", "resource-changed")]
    statement = (await post.get("/metadata")).json()
    [served] = [r for r in statement["rest"][0]["resource"] if r["type"] == "Subscription"]
    assert [e["valueCanonical"] for e in served["extension"]] == urls


async def test_status_tells_of_one_or_of_all_that_one_may_see(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    await post.created(visit())
    await told(post)
    other = post.as_(organization="another", client="another-his")
    theirs = await post.subscribed(subscription(receiver.url), other)
    for path in (f"/Subscription/{made}/$status", "/Subscription/$status", f"/Subscription/$status?id={made},{theirs}"):
        bundle = (await post.get(path)).json()
        assert bundle["type"] == "searchset"
        [entry] = bundle["entry"]
        values = {p["name"]: [*p.values()][1] for p in entry["resource"]["parameter"]}
        assert values["status"] == "active"
        assert values["type"] == "query-status"
        assert values["events-since-subscription-start"] == "1"
        validate(bundle)
    assert (await post.get("/Subscription/$status?status=off")).json()["total"] == 0
    for path in ("$status", "$events"):
        assert (await post.get(f"/Subscription/{theirs}/{path}")).status_code == 404
    assert (await post.post(f"/Subscription/{theirs}/$replay", b"")).status_code == 404


async def test_events_are_told_again_by_their_numbers(post: Post, receiver: Receiver) -> None:
    made = await post.subscribed(subscription(receiver.url))
    tasks = [(await post.created(visit()))["id"] for _ in range(4)]
    await told(post)
    path = f"/Subscription/{made}/$events?eventsSinceNumber=2&eventsUntilNumber=3"
    bundle = (await post.get(path)).json()
    validate(bundle)
    text = json.dumps(bundle)
    assert bundle["entry"][0]["resource"]["parameter"][3]["valueCode"] == "query-event"
    assert [tasks[n] in text for n in range(4)] == [False, True, True, False]
    assert_outcome(await post.get(f"/Subscription/{made}/$events?eventsSinceNumber=x"), 400, "value")
    empty = (await post.get(f"{path}&content=empty")).text
    assert tasks[1] not in empty


async def test_a_patient_out_of_reach_is_never_numbered(post: Post, receiver: Receiver) -> None:
    other = post.as_(organization="another", client="another-his")
    theirs = patient(id="theirs")
    assert (await other.put("/Patient/theirs", theirs)).status_code == 201
    made = await post.subscribed(subscription(receiver.url, "resource-changed", "Observation?status=final"))
    await other.created(observation("Patient/theirs"))
    mine = await post.created(observation("Patient/mine"))
    await told(post)
    assert receiver.events == [{"number": 1, "focus": f"Observation/{mine['id']}", "version": 1}]
    assert (await post.get(f"/Subscription/{made}/$events")).text.count("notification-event") == 1
