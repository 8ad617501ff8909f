"""The operations of referral beside those of FHIR, one module each: docs/architecture.md"""

from typing import Final

from services.fhir.operations.operation import Operation
from services.fhir.pages.answer import MEDIA
from services.referral.operations.slip import slip

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"

OPERATIONS: Final = (Operation("slip", f"{_OURS}/Task-slip", ("instance",), ("Task",), slip, media=MEDIA),)
