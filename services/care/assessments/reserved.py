"""What of care only the platform writes: the Questionnaires of its instruments, and the risks that follow from responses."""

from services.care.assessments.derived import SID
from services.care.assessments.grading import Instruments
from services.fhir.business import Json, Reserved


def reserved(instruments: Instruments) -> Reserved:
    return {"Questionnaire": lambda resource: resource.get("url") in instruments, "RiskAssessment": _follows}


def _follows(risk: Json) -> bool:
    return any(each.get("system") == SID for each in risk.get("identifier", ()))
