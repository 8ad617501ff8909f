"""The operations of records beside those of FHIR, one module each: docs/architecture.md"""

from typing import Final

from services.fhir.operations.operation import Operation
from services.records.operations.break_glass import break_glass
from services.records.operations.disclosures import disclosures
from services.records.operations.match import match
from services.records.operations.merge import merge, unmerge
from services.records.operations.register import register
from services.records.operations.summary import OFFERED, summary

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"

OPERATIONS: Final = (
    Operation(
        "register", f"{_OURS}/Patient-register", ("type",), ("Patient",), register, affects_state=True, letters="c"
    ),
    Operation("break-glass", f"{_OURS}/Patient-break-glass", ("type",), ("Patient",), break_glass, affects_state=True),
    Operation(
        "match", "http://hl7.org/fhir/OperationDefinition/Patient-match", ("type",), ("Patient",), match, letters="rs"
    ),
    Operation("merge", f"{_OURS}/Patient-merge", ("type",), ("Patient",), merge, affects_state=True, letters="u"),
    Operation("unmerge", f"{_OURS}/Patient-unmerge", ("type",), ("Patient",), unmerge, affects_state=True, letters="u"),
    Operation("disclosures", f"{_OURS}/Patient-disclosures", ("instance",), ("Patient",), disclosures),
    Operation(
        "summary",
        "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        ("instance",),
        ("Patient",),
        summary,
        media=OFFERED,
    ),
)
