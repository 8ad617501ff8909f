"""Every issue that R4 itself finds in a resource: http://hl7.org/fhir/R4/validation.html"""

from typing import Any

from services.fhir.outcomes import FhirError
from services.fhir.validation.checks import check_resource
from services.fhir.validation.problems import MOST, is_malformed, issues


def validate(resource: dict[str, Any]) -> None:
    """Raise a FhirError with all issues: 400 where the structure is wrong, 422 where a rule is broken."""
    if findings := check_resource(resource):
        root = str(resource.get("resourceType", "Resource"))
        raise FhirError(400 if is_malformed(findings) else 422, issues(root, findings[:MOST]))
