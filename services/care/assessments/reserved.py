"""What of care only the platform writes: the Questionnaires of its instruments, its Measures, and the risks that follow from responses."""

from collections.abc import Collection

from services.care.assessments.derived import SID
from services.care.assessments.grading import Instruments
from services.fhir.business import Json, Reserved


def reserved(instruments: Instruments, measures: Collection[str]) -> Reserved:
    """`measures` are the URLs of the platform's own."""
    return {
        "Questionnaire": lambda resource: resource.get("url") in instruments,
        "Measure": lambda resource: resource.get("url") in measures,
        "RiskAssessment": _follows,
    }


def _follows(risk: Json) -> bool:
    return any(each.get("system") == SID for each in risk.get("identifier", ()))
