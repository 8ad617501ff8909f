"""Every ServedType of the three services, for tests that hold for each: http://hl7.org/fhir/R4/resourcelist.html"""

from typing import Final

import pytest

from services.care.resources import SERVED as CARE
from services.fhir.served import ServedType
from services.records.resources import SERVED as RECORDS
from services.referral.resources import SERVED as REFERRAL

SERVED: Final[tuple[ServedType, ...]] = tuple(sorted((*RECORDS, *REFERRAL, *CARE), key=lambda served: served.type))

each_type: Final = pytest.mark.parametrize("served", SERVED, ids=[served.type for served in SERVED])
