"""Fixtures of this folder: the house of three services, and the gateway in front of one."""

from tests.front import front, keys
from tests.house import fhir, house
from tests.people import portal

__all__ = ["fhir", "front", "house", "keys", "portal"]
