"""Subscriptions in a test: the smallest one, and a notifier that works when it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from pydantic import SecretStr

from services.fhir.subscriptions.channel import BACKPORT, SECRET
from services.fhir.subscriptions.notifier import Notifier
from services.fhir.subscriptions.pace import Pace
from services.kit.database import Database, role_of
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.records.app import create_app
from tests.builders import coded, task
from tests.house import BASE, HIS, KEY, Fhir, in_one_process

Json = dict[str, Any]

TOPIC: Final = "https://yiyang.example/fhir/SubscriptionTopic"
VISIT: Final = coded("http://example.org/tasks", "visit")
VISITS: Final = "Task?code=visit"
AT_ONCE: Final = Pace(first=timedelta(seconds=0.02), longest=timedelta(seconds=0.1), lease=timedelta(seconds=1))


def visit(at: str = "submitted", **changes: Any) -> Json:
    """A Task that is nobody's referral, and so goes from any state to any other."""
    return task(None, at, code=VISIT, **changes)


def subscription(endpoint: str, topic: str = "resource-changed", *filters: str, **changes: Any) -> Json:
    """To visits unless another topic or filter is named; requested, by rest-hook, id-only; keywords `content`, `header`, `secret`, `heartbeat`, `most` change the channel, others elements."""
    channel: Json = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"}
    if content := changes.pop("content", "id-only"):
        channel["_payload"] = {"extension": [{"url": f"{BACKPORT}-payload-content", "valueCode": content}]}
    if header := changes.pop("header", None):
        channel["header"] = header
    extensions = [
        {"url": url, kind: value}
        for url, kind, value in (
            (SECRET, "valueString", changes.pop("secret", None)),
            (f"{BACKPORT}-heartbeat-period", "valueUnsignedInt", changes.pop("heartbeat", None)),
            (f"{BACKPORT}-max-count", "valuePositiveInt", changes.pop("most", None)),
        )
        if value is not None
    ]
    if extensions:
        channel["extension"] = extensions
    made: Json = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "转诊提醒",
        "criteria": topic if "?" in topic or topic.startswith("http") else f"{TOPIC}/{topic}",
        "channel": channel,
    }
    if filters := filters or ((VISITS,) if topic == "resource-changed" else ()):
        url = f"{BACKPORT}-filter-criteria"
        made["_criteria"] = {"extension": [{"url": url, "valueString": each} for each in filters]}
    return {name: value for name, value in (made | changes).items() if value is not None}


def settings(database_url: str) -> ServiceSettings:
    """Loopback may be called: the receivers of tests are there."""
    return ServiceSettings(
        database_url=database_url,
        internal_key=SecretStr(KEY),
        public_base=BASE,
        outbound_networks=("127.0.0.0/8",),
    )


class Post(Fhir):
    """The house as the hospital sees it, and the notifier of one of its processes."""

    def __init__(self, peers: Peers, database: Database, notifier: Notifier) -> None:
        super().__init__(peers, HIS)
        self.database = database
        self.notifier = notifier

    async def subscribed(self, resource: Json, by: Fhir | None = None) -> str:
        """Store it and shake hands; its id."""
        stored = await (by or self).created(resource)
        await self.notifier.settle()
        return str(stored["id"])

    async def status(self, subscription: str) -> str:
        found = await self.get(f"/Subscription/{subscription}")
        return str(found.json()["status"])

    def another(self, pace: Pace = AT_ONCE) -> Notifier:
        """As another process would run it."""
        return Notifier(self.notifier.service, self.peers.bell, pace)

    async def execute(self, sql: str, *values: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(sql, *values)

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch(sql, *values))


@asynccontextmanager
async def post_of(database_url: str, pace: Pace = AT_ONCE) -> AsyncIterator[Post]:
    own = settings(database_url)
    database = Database(database_url, role=role_of("records"))
    async with in_one_process(database_url, own) as peers:
        service = create_app(own, database=database, peers=peers).state.notifier.service
        yield Post(peers, database, Notifier(service, peers.bell, pace))
        await service.outbound.close()
    await database.close()
