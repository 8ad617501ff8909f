"""The operations of records beside those of FHIR, one module each: docs/architecture.md"""

from typing import Final

from msgspec.structs import replace

from services.fhir.operations.operation import Operation
from services.kit.settings import ServiceSettings
from services.records.operations.break_glass import break_glass
from services.records.operations.disclosures import disclosures
from services.records.operations.document import document
from services.records.operations.health_management import health_management
from services.records.operations.match import match
from services.records.operations.merge import merge, unmerge
from services.records.operations.process_v2 import MEDIA, ProcessV2
from services.records.operations.register import register
from services.records.operations.summary import OFFERED, summary
from services.records.v2.mapping import Mappings

PROCESS_V2: Final = "process-v2"
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
        "document",
        "http://hl7.org/fhir/OperationDefinition/Composition-document",
        ("type", "instance"),
        ("Composition",),
        document,
        remembered=True,
    ),
    Operation(
        "health-management", f"{_OURS}/Patient-health-management", ("instance",), ("Patient",), health_management
    ),
    Operation(
        "summary",
        "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        ("instance",),
        ("Patient",),
        summary,
        media=OFFERED,
    ),
    Operation(
        PROCESS_V2,
        f"{_OURS}/process-v2",
        ("system",),
        (),
        ProcessV2(Mappings()),
        affects_state=True,
        remembered=False,
        letters="",
        media=MEDIA,
    ),
)
"""$process-v2 looks itself which types the scopes cover, and has receipts of its own."""


def operations(settings: ServiceSettings) -> tuple[Operation, ...]:
    """The same, with the mappings of this installation's senders."""
    taking_v2 = ProcessV2(Mappings(settings.v2_mappings))
    return tuple(replace(each, handler=taking_v2) if each.name == PROCESS_V2 else each for each in OPERATIONS)
