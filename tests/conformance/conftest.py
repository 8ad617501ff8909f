"""Fixtures of this folder: the house of three services, what it says of itself, and a shelf to search on."""

import asyncio
from collections.abc import Iterator

import pytest

from services.kit.caller import Caller
from services.kit.peers import Peers
from tests.conftest import _empty
from tests.house import Fhir, fhir, house
from tests.shelf import Json, Shelf

__all__ = ["fhir", "house"]


@pytest.fixture(scope="package", autouse=True)
def _swept(database_url: str) -> Iterator[None]:
    """What this folder stored is gone when it is done: others have the house to themselves."""
    yield
    asyncio.run(_empty(database_url))


@pytest.fixture
def shelf(fhir: Fhir) -> Shelf:
    """A fresh shelf, for one test."""
    return Shelf(fhir)


@pytest.fixture(scope="session")
async def capabilities(house: Peers) -> dict[str, Json]:
    """What the CapabilityStatement says of each type."""
    anybody = Fhir(house, Caller("his", "hospital", None, (), "TREAT", "request-1", "jti-1"))
    statement = (await anybody.get("/metadata")).json()
    return {each["type"]: each for each in statement["rest"][0]["resource"]}
