"""The clients of JavaScript: http://hl7.org/fhir/R4/http.html"""

from pathlib import Path
from typing import Final

import pytest

from tests.clients.conftest import Entrance
from tests.clients.javascript import check

pytestmark = pytest.mark.long

FOLDER: Final = Path(__file__).with_name("node")


@pytest.mark.parametrize("client", ["fhir_kit_client", "medplum"])
def test_a_client_of_javascript_does_its_work(entrance: Entrance, client: str) -> None:
    """http://hl7.org/fhir/R4/http.html#read, #update, #patch, #delete, #create, #search, #paging, #history and #transaction"""
    check(FOLDER, f"{client}.test.js", entrance)
