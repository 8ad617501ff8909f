"""What of care only the platform writes: the Questionnaires of its instruments and surveys, its Measures and plans, and the risks that follow from responses."""

from collections.abc import Collection

from services.care.assessments.derived import SID
from services.fhir.business import Json, Reserved


def reserved(forms: Collection[str], own: Collection[str]) -> Reserved:
    """`forms` are the URLs of the platform's Questionnaires, `own` those of its Measures and PlanDefinitions."""
    return {
        "Questionnaire": lambda resource: resource.get("url") in forms,
        "Measure": lambda resource: resource.get("url") in own,
        "PlanDefinition": lambda resource: resource.get("url") in own,
        "RiskAssessment": _follows,
    }


def _follows(risk: Json) -> bool:
    return any(each.get("system") == SID for each in risk.get("identifier", ()))
