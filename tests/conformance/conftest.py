"""Fixtures of this folder: the house of three services."""

from tests.house import fhir, house

__all__ = ["fhir", "house"]
