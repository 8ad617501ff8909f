"""Each R4 resource type has exactly one owner: http://hl7.org/fhir/R4/resourcelist.html."""

from collections import Counter

from services.care.resources import SERVED as CARE
from services.fhir.definitions import resource_types
from services.records.resources import SERVED as RECORDS
from services.referral.resources import SERVED as REFERRAL

# "there is no RESTful end point associated with it": http://hl7.org/fhir/R4/parameters.html
NO_ENDPOINT = {"Parameters"}
OWNED_BY_REFERRAL = """
    Appointment AppointmentResponse Communication CommunicationRequest Contract MessageHeader Schedule ServiceRequest Slot Task
"""
OWNED_BY_CARE = """
    ActivityDefinition CarePlan CareTeam ClinicalImpression DetectedIssue DeviceRequest DeviceUseStatement EpisodeOfCare Flag
    Goal GuidanceResponse Library Measure MeasureReport NutritionOrder PlanDefinition Questionnaire QuestionnaireResponse
    RequestGroup RiskAssessment
"""


def test_every_resource_type_is_owned_exactly_once() -> None:
    owners = Counter(served.type for served in (*RECORDS, *REFERRAL, *CARE))
    assert {name for name, count in owners.items() if count > 1} == set()
    assert set(owners) == set(resource_types()) - NO_ENDPOINT


def test_referral_owns_the_workflow_and_care_the_plans() -> None:
    assert sorted(served.type for served in REFERRAL) == OWNED_BY_REFERRAL.split()
    assert sorted(served.type for served in CARE) == OWNED_BY_CARE.split()
