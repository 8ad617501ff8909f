"""A form filler that others wrote renders the instruments: http://hl7.org/fhir/uv/sdc/rendering.html"""

from pathlib import Path
from typing import Final

import pytest

from tests.clients.conftest import Entrance
from tests.clients.javascript import check

pytestmark = pytest.mark.long

FOLDER: Final = Path(__file__).with_name("forms")


def test_lhc_forms_renders_each_instrument_and_what_is_clicked_is_scored(entrance: Entrance) -> None:
    """http://hl7.org/fhir/R4/questionnaire.html"""
    check(FOLDER, "lhc_forms.test.js", entrance)
