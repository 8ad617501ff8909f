"""A nursing home under monitoring: a house whose clock leaps, its listeners and clockworks, an elder in its care, readings as devices send them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from fastapi import FastAPI

from services.care.alerts.codes import ALERT_RULE, SID
from services.care.alerts.course import Course, course_of
from services.care.app import create_app as care
from services.fhir.subscriptions.notifier import Notifier
from services.kit.clock import LeapingClock
from services.kit.peers import Peers
from services.records.app import create_app as records
from tests.builders import CHINA, LOINC, UCUM, coded, episode_of_care, known_patient, observation, organization
from tests.house import HIS, Fhir, in_one_process
from tests.subscriptions import settings

Json = dict[str, Any]

NURSE: Final = "Practitioner/nurse"
HOME: Final = "home"
COUNTY: Final = "county"


class Ward:
    """`home` is a client of the institution in whose care `elder` is; `listeners` and `clockworks` by process."""

    def __init__(self, peers: Peers, apps: list[FastAPI], notifier: Notifier, clock: LeapingClock) -> None:
        self.clock = clock
        self.notifier = notifier
        self.home = Fhir(peers, HIS, clock=clock).as_(organization=HOME, practitioner=NURSE)
        self.listeners = [app.state.listener for app in apps]
        self.clockworks = [app.state.clockwork for app in apps]
        self.elder = ""

    async def admit(self) -> str:
        """Another elder, in the home's care from now on."""
        self.elder = f"Patient/{(await self.home.created(known_patient()))['id']}"
        home = {"reference": f"Organization/{HOME}"}
        await self.home.created(episode_of_care(self.elder, managingOrganization=home))
        return self.elder

    async def noon(self) -> None:
        """Let the time go by until it is noon in China, so that no test is held up by the night."""
        now = self.clock.now().astimezone(CHINA)
        noon = now.replace(hour=12, minute=0, second=0)
        self.clock.leap((noon if noon > now else noon + timedelta(days=1)) - now)

    async def send(self, *resources: Json) -> list[Json]:
        """Store them, and let what follows be done."""
        stored = [await self.home.created(each) for each in resources]
        await self.settle()
        return stored

    async def settle(self) -> None:
        for each in self.listeners:
            await each.settle()

    async def leap(self, **time: float) -> None:
        """Let this time go by, and do what is due."""
        self.clock.leap(timedelta(**time))
        while any([await each.work() for each in self.clockworks]):
            pass

    async def measured(self, code: str, value: float, unit: str = "mm[Hg]", ago: float = 0.0, **changes: Any) -> None:
        await self.send(self.reading(code, value, unit, ago, **changes))

    def reading(self, code: str, value: float, unit: str = "mm[Hg]", ago: float = 0.0, **changes: Any) -> Json:
        """Of the elder, `ago` minutes before now."""
        at = (self.now - timedelta(minutes=ago)).isoformat(timespec="milliseconds")
        quantity: Json = {"value": value, "unit": unit or "?"} | ({"system": UCUM, "code": unit} if unit else {})
        return observation(self.elder, code=coded(LOINC, code), effectiveDateTime=at, valueQuantity=quantity) | changes

    @property
    def now(self) -> datetime:
        return self.clock.now().astimezone(CHINA)

    async def alerts(self, rule: str = "") -> list[Json]:
        """All of the elder, the newest first."""
        code = f"&code={ALERT_RULE}|{rule}" if rule else ""
        return await self.found(f"/DetectedIssue?patient={self.elder}{code}&identifier={SID}|&_sort=-identified")

    async def alert(self, rule: str = "") -> Json:
        (alert,) = await self.alerts(rule)
        return alert

    async def course(self, rule: str = "") -> Course:
        return course_of(await self.alert(rule))

    async def found(self, path: str) -> list[Json]:
        bundle = (await self.home.get(path)).json()
        return [each["resource"] for each in bundle.get("entry", ())]

    async def task(self, alert: Json) -> Json:
        task: Json = (await self.home.get(f"/{course_of(alert).task}")).json()
        return task

    async def act(self, act: str, alert: Json, **values: str) -> Any:
        parts = [{"name": name, "valueString": value} for name, value in values.items()]
        body = {"resourceType": "Parameters", "parameter": parts} if parts else {"resourceType": "Parameters"}
        return await self.home.post(f"/DetectedIssue/{alert['id']}/${act}", body)


@asynccontextmanager
async def wards(database_url: str, processes: int = 1) -> AsyncIterator[list[Ward]]:
    """One house as several processes would run it over one database and one clock."""
    clock, made = LeapingClock(), list[FastAPI]()

    def noted(given_settings: Any, **given: Any) -> FastAPI:
        made.append(care(given_settings, **given))
        return made[-1]

    posts = list[FastAPI]()

    def posting(given_settings: Any, **given: Any) -> FastAPI:
        posts.append(records(given_settings, **given))
        return posts[-1]

    own = settings(database_url)
    houses = [in_one_process(database_url, own, clock, care=noted, records=posting) for _ in range(processes)]
    peers = [await house.__aenter__() for house in houses]
    try:
        found = [Ward(each, made[n : n + 1], posts[n].state.notifier, clock) for n, each in enumerate(peers)]
        for ward in found:
            await ward.listeners[0].work()
        county = {"reference": f"Organization/{COUNTY}"}
        await found[0].home.put(f"/Organization/{COUNTY}", organization(id=COUNTY, name="旗县主管部门"))
        await found[0].home.put(f"/Organization/{HOME}", organization(id=HOME, partOf=county))
        await found[0].noon()
        yield found
    finally:
        for post in posts:
            await post.state.notifier.service.outbound.close()
        for house in houses:
            await house.__aexit__(None, None, None)


@pytest.fixture(scope="module")
async def home(database_url: str) -> AsyncIterator[Ward]:
    """One process, one house for all tests of a module."""
    async with wards(database_url) as (ward,):
        yield ward


@pytest.fixture
async def ward(home: Ward) -> Ward:
    """At noon, with an elder of the test's own."""
    await home.noon()
    await home.admit()
    return home


async def main(database_url: str, ahead: float) -> None:
    """A process that listens until it is killed: `python -m tests.ward DATABASE_URL SECONDS`, its clock so far ahead."""
    clock, made = LeapingClock(), list[FastAPI]()
    clock.leap(timedelta(seconds=ahead))

    def noted(given_settings: Any, **given: Any) -> FastAPI:
        made.append(care(given_settings, **given))
        return made[-1]

    async with in_one_process(database_url, clock=clock, care=noted):
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await asyncio.gather(made[0].state.listener.forever(), made[0].state.clockwork.forever())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
