"""Institutions that let themselves be told of changes, and what the model says they may hear: docs/adr/0030"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from typing import Any, Final

from services.fhir.subscriptions.notifier import Notifier
from tests.leak.limits import LIMITS
from tests.leak.model import Model, Thing, Who
from tests.receiver import Receiver
from tests.subscriptions import subscription

Json = dict[str, Any]
Version = tuple[str, int]
"""`Type/id` and the number of the version."""

PURPOSES: Final = ("TREAT", "TREAT", "HOPERAT", "HRESCH")
HEARD: Final = ("Observation", "Condition", "Encounter", "Task", "Consent", "Appointment", "Provenance", "Group")


class Listeners:
    """One subscription for each institution; `numbered` are the versions that got a number in it."""

    def __init__(self, model: Model, random: Random, notifier: Notifier, receiver: Receiver) -> None:
        self._model = model
        self._random = random
        self._receiver = receiver
        self._considered: dict[str, int] = {}
        self._notifier = notifier
        self._telling = asyncio.Lock()
        self.subscribers: dict[str, tuple[Who, frozenset[str]]] = {}
        self.numbered: dict[str, set[Version]] = defaultdict(set)

    def asked(self) -> tuple[str, str, Json]:
        """A purpose, what the scopes leave, and a Subscription for it."""
        types = self._random.sample(HEARD, self._random.randint(2, len(HEARD)))
        body = subscription(self._receiver.url, "resource-changed", *(f"{each}?" for each in types), most=50)
        return self._random.choice(PURPOSES), self._random.choice(("", *LIMITS)), body

    async def begin(self, subscribers: Iterable[tuple[Who, Thing]]) -> None:
        """From here on they are told."""
        for who, thing in subscribers:
            extensions = thing.body["_criteria"]["extension"]
            self.subscribers[thing.body["id"]] = who, frozenset(each["valueString"].rstrip("?") for each in extensions)
        self._considered = {name: versions_of(thing) for name, thing in self._model.things.items()}
        await self.tell()

    async def settle(self) -> None:
        """Tell what has happened since, and compare what came in with what might."""
        for name, thing in self._model.things.items():
            news = range(self._considered.get(name, 0) + 1, versions_of(thing) + 1)
            for subscriber, (who, types) in self.subscribers.items():
                if thing.type in types:
                    self.numbered[subscriber] |= {
                        (name, version) for version in news if self._model.sees_version(who, thing, version)
                    }
            self._considered[name] = versions_of(thing)
        await self.tell()
        for subscriber in self.subscribers:
            told, expected = self.told(subscriber), self.numbered[subscriber]
            assert told == expected, (subscriber, self.subscribers[subscriber], told ^ expected)

    async def tell(self) -> None:
        """All that is due; a notifier does one thing after the other."""
        async with self._telling:
            await self._notifier.settle()

    def told(self, subscriber: str) -> set[Version]:
        """What its endpoint has heard so far."""
        return {
            (event["focus"], event["version"])
            for told in self._receiver.told
            if told.kind == "event-notification" and of(told.value("subscription")) == subscriber
            for event in told.events
        }

    def forget(self) -> None:
        """What was told so far; what comes now is compared with what may be known now."""
        self._receiver.told.clear()


def versions_of(thing: Thing) -> int:
    return len(thing.past) + 1 + thing.is_deleted


def of(reference: Json) -> str:
    return str(reference["reference"]).rpartition("/")[2]
