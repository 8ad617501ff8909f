"""The operations of care beside those of FHIR, one module each: docs/architecture.md"""

from typing import Final

from services.care.assessments.grading import Instruments
from services.care.operations.score import scoring
from services.fhir.operations.operation import Operation

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"


def operations(instruments: Instruments) -> tuple[Operation, ...]:
    return (
        Operation(
            "score",
            f"{_OURS}/QuestionnaireResponse-score",
            ("type", "instance"),
            ("QuestionnaireResponse",),
            scoring(instruments),
        ),
    )
