"""The resource types of assessments, care plans and monitoring 评估、照护计划与监测."""

from typing import Final

from services.fhir.served import ServedType

SERVED: Final = (
    ServedType("CarePlan", governed=True),
    ServedType("CareTeam"),
    ServedType("Goal"),
    ServedType("EpisodeOfCare", governed=True),
    ServedType("Questionnaire"),
    ServedType("QuestionnaireResponse", governed=True),
    ServedType("RiskAssessment"),
    ServedType("ClinicalImpression"),
    ServedType("Flag"),
    ServedType("DetectedIssue", governed=True),
    ServedType("NutritionOrder"),
    ServedType("DeviceRequest"),
    ServedType("DeviceUseStatement"),
    ServedType("ActivityDefinition"),
    ServedType("PlanDefinition"),
    ServedType("RequestGroup"),
    ServedType("Measure"),
    ServedType("MeasureReport"),
    ServedType("Library"),
    ServedType("GuidanceResponse"),
)
