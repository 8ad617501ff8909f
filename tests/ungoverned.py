"""The house of three services, whose Tasks no workflow governs: for tests of what is seen in every state, however it came about."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from services.fhir.deployable import create_service
from services.fhir.served import ServedType
from services.kit.peers import Peers
from services.referral.operations import OPERATIONS
from services.referral.resources import SERVED
from services.referral.rules import OPENINGS
from tests.house import in_one_process
from tests.subscriptions import settings


def _ungoverned(settings: Any, **given: Any) -> FastAPI:
    served = tuple(ServedType(each.type, each.interactions) for each in SERVED)
    return create_service("referral", served, settings, openings=OPENINGS, operations=OPERATIONS, **given)


@pytest.fixture(scope="session")
async def house(database_url: str) -> AsyncIterator[Peers]:
    async with in_one_process(database_url, settings(database_url), referral=_ungoverned) as peers:
        yield peers
