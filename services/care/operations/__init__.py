"""The operations of care beside those of FHIR, one module each: docs/architecture.md"""

from typing import Final

from services.care.assessments.grading import Instruments
from services.care.operations import alerts, plans, reconcile, rounds
from services.care.operations.evaluate_measure import Kept, evaluating
from services.care.operations.populate import populating
from services.care.operations.score import scoring
from services.care.plans.load import Plans
from services.fhir.operations.operation import Operation

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"


def operations(instruments: Instruments, kept: Kept, library: Plans) -> tuple[Operation, ...]:
    return (
        Operation(
            "score",
            f"{_OURS}/QuestionnaireResponse-score",
            ("type", "instance"),
            ("QuestionnaireResponse",),
            scoring(instruments),
        ),
        Operation(
            "evaluate-measure",
            "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure",
            ("type", "instance"),
            ("Measure",),
            evaluating(kept),
            letters="",
        ),
        Operation(
            "populate",
            "http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate",
            ("instance",),
            ("Questionnaire",),
            populating(instruments),
        ),
        *alerts.OPERATIONS,
        *plans.operations(library),
        reconcile.OPERATION,
        rounds.OPERATION,
    )
