"""Fixtures of this folder: the house of three services, what it says of itself, and a shelf to search on."""

import pytest

from services.kit.caller import Caller
from services.kit.peers import Peers
from tests.house import Fhir, fhir, house
from tests.shelf import Json, Shelf

__all__ = ["fhir", "house"]


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
