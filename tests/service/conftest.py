"""Fixtures of this folder: the house of three services, and the gateway in front of one. No test of it may leave a person in a log or a refusal."""

import logging
from collections.abc import Iterator

import pytest

from services.kit.logging import JsonLines
from tests.front import front, keys
from tests.house import REFUSED, fhir, house
from tests.leaks import leaks
from tests.people import portal

__all__ = ["fhir", "front", "house", "keys", "portal"]


@pytest.fixture(autouse=True)
def _nobody_is_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Reads all log lines, also those that libraries write, and all refusals of the house, after each test."""
    REFUSED.clear()
    with caplog.at_level(logging.INFO):
        yield
    assert [
        kind for record in caplog.records for kind in leaks(f"{record.getMessage()} {JsonLines().format(record)}")
    ] == []
    assert [kind for answer in REFUSED for kind in leaks(answer)] == []
