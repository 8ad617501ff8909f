"""What of care only the platform writes: its Questionnaires, Measures and plans, the risks that follow from responses, the Flag of an alert."""

from collections.abc import Callable, Collection

from services.care.alerts.codes import SID as ALERT
from services.care.assessments.derived import SID
from services.fhir.business import Json, Reserved


def reserved(forms: Collection[str], own: Collection[str]) -> Reserved:
    """`forms` are the URLs of the platform's Questionnaires, `own` those of its Measures and PlanDefinitions."""
    return {
        "Questionnaire": lambda resource: resource.get("url") in forms,
        "Measure": lambda resource: resource.get("url") in own,
        "PlanDefinition": lambda resource: resource.get("url") in own,
        "RiskAssessment": _has(SID),
        "Flag": _has(ALERT),
    }


def _has(system: str) -> Callable[[Json], bool]:
    """An identifier that only the platform gives."""
    return lambda resource: any(each.get("system") == system for each in resource.get("identifier", ()))
