"""A house with a scene of a referral, whose clock is leapt, and what does what is due in it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from services.fhir.clockwork import Clockwork
from services.kit.clock import LeapingClock
from services.referral.app import create_app
from tests.house import HIS, Fhir, in_one_process
from tests.referrals import Scene


class House:
    def __init__(self, scene: Scene, clock: LeapingClock, clockwork: Clockwork) -> None:
        self.scene, self.clock, self.clockwork = scene, clock, clockwork

    async def after(self, time: timedelta) -> None:
        self.clock.leap(time)
        while await self.clockwork.work():
            pass


@pytest.fixture
async def house(clean_database: str) -> AsyncIterator[House]:
    clock, made = LeapingClock(), list[FastAPI]()

    def referral(settings: Any, **given: Any) -> FastAPI:
        made.append(create_app(settings, **given))
        return made[0]

    async with in_one_process(clean_database, clock=clock, referral=referral) as peers:
        scene = await Scene.set(Fhir(peers, HIS, clock=clock))
        yield House(scene, clock, made[0].state.clockwork)
