"""A house whose referral service is governed by a rule that a test writes: Tasks and ServiceRequests pass it (docs/adr/0025)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from fastapi import FastAPI

from services.fhir.access.grants import Moment, Opening, Opens, organizations, patient_in
from services.fhir.business import Business, Change, Context, Decision, Guarded, Intent, OnTimer, Timer
from services.fhir.clockwork import Clockwork
from services.fhir.deployable import create_service
from services.fhir.served import ServedType
from services.kit.clock import Clock
from services.kit.peers import Peers
from services.referral.resources import SERVED
from tests.house import HIS, Fhir, in_one_process

Json = dict[str, Any]

GOVERNED = ("Task", "ServiceRequest")


class Rule:
    """The business of this house: `decide` is what the test says, `asked` how often and about what it was asked."""

    def __init__(self) -> None:
        self.decide: Business = as_they_are
        self.guarded: Guarded = lambda _type, _there: False
        self.on_timer: OnTimer = nothing
        self.rung: list[tuple[str, str]] = []
        self.asked: list[tuple[Change, ...]] = []
        self.others: list[Mapping[str, Json]] = []

    async def __call__(self, changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> Decision:
        self.asked.append(tuple(changes))
        self.others.append(others)
        return await self.decide(changes, others, context)

    async def ring(self, holder: str, act: str, context: Context) -> Sequence[Intent | Timer]:
        self.rung.append((holder, act))
        return await self.on_timer(holder, act, context)

    def is_guarded(self, kind: str, there: Json) -> bool:
        return self.guarded(kind, there)

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


async def as_they_are(_changes: Sequence[Change], _others: Mapping[str, Json], _context: Context) -> Decision:
    return Decision()


def to_the_owner(resource: Json, moment: Moment) -> Opens:
    """Who is named as the owner of a Task sees and changes it, and nothing else of the patient."""
    patient, owners = patient_in(resource.get("for")), organizations(resource.get("owner"))
    this = (f"Task/{moment.id}", f"Patient/{patient}")
    return Opens(
        tuple(
            Opening(patient, each, "referral-task", moment.at, None, resources=this, may_write=True, founds=False)
            for each in owners
            if patient
        )
    )


async def nothing(_holder: str, _act: str, _context: Context) -> Sequence[Intent]:
    return ()


class House(NamedTuple):
    peers: Peers
    fhir: Fhir
    clockwork: Clockwork


@asynccontextmanager
async def governed_house(database_url: str, rule: Rule, clock: Clock | None = None) -> AsyncIterator[House]:
    served = tuple(ServedType(each.type, each.interactions, each.type in GOVERNED) for each in SERVED)

    made: list[FastAPI] = []

    def referral(settings: Any, **given: Any) -> FastAPI:
        app = create_service(
            "referral",
            served,
            settings,
            openings={"Task": to_the_owner},
            business=rule,
            guarded=rule.is_guarded,
            timers=rule.ring,
            **given,
        )
        made.append(app)
        return app

    async with in_one_process(database_url, clock=clock, referral=referral) as peers:
        yield House(peers, Fhir(peers, HIS, clock=clock), made[0].state.clockwork)
