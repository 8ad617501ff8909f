"""A failure is one OperationOutcome: http://hl7.org/fhir/R4/operationoutcome.html"""

import json

import pytest

from services.fhir import outcomes
from services.fhir.definitions import required_codes
from services.fhir.outcomes import FhirError, Issue, bad_request, gone, operation_outcome, unauthorized

STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "conflict": 409,
    "gone": 410,
    "precondition_failed": 412,
    "too_large": 413,
    "unsupported_media": 415,
    "unprocessable": 422,
    "internal_error": 500,
    "unavailable": 503,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_each_failure_has_its_status_and_a_code_of_r4(name: str, status: int) -> None:
    error = getattr(outcomes, name)("why")
    assert (error.status, error.issues[0].diagnostics) == (status, "why")
    assert error.issues[0].code in required_codes("http://hl7.org/fhir/ValueSet/issue-type")


def test_an_outcome_speaks_to_people_in_chinese_and_to_engineers_in_english() -> None:
    error = bad_request("Unknown element", text="未知的元素", code="structure", expression=("Patient.nam",))
    assert json.loads(operation_outcome(error.issues)) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "structure",
                "details": {"text": "未知的元素"},
                "diagnostics": "Unknown element",
                "expression": ["Patient.nam"],
            }
        ],
    }


def test_several_issues_stay_in_order() -> None:
    issues = (Issue("error", "required", "first", "一"), Issue("warning", "value", "second", "二"))
    outcome = json.loads(operation_outcome(issues))
    assert [issue["diagnostics"] for issue in outcome["issue"]] == ["first", "second"]


def test_an_outcome_always_has_an_issue() -> None:
    assert json.loads(operation_outcome(()))["issue"][0]["severity"] == "information"


def test_headers_go_with_the_error() -> None:
    assert unauthorized("no token").headers == {"WWW-Authenticate": "Bearer"}
    assert gone("deleted", headers={"ETag": 'W/"2"'}).headers == {"ETag": 'W/"2"'}
    assert str(FhirError(400, (Issue("error", "invalid", "why", "原因"),))) == "400: why"
