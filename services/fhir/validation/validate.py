"""Every issue that R4, and the profiles that a resource claims, find in it: http://hl7.org/fhir/R4/validation.html"""

from collections.abc import Iterable
from typing import Any

from services.fhir.outcomes import FhirError, Issue
from services.fhir.validation.advice import unknown_claims, warnings
from services.fhir.validation.checks import check_resource
from services.fhir.validation.problems import MOST, is_malformed, issues
from services.fhir.validation.profiles import profile_check


def validate(resource: dict[str, Any]) -> None:
    """Raise a FhirError with all issues: 400 where the structure is wrong, 422 where a rule is broken."""
    if findings := check_resource(resource):
        raise FhirError(400 if is_malformed(findings) else 422, issues(_root(resource), findings[:MOST]))


def examine(resource: dict[str, Any], profiles: Iterable[str] = ()) -> tuple[Issue, ...]:
    """Give all there is to say, warnings included, also against profiles that are known here but not claimed."""
    findings, root = check_resource(resource), _root(resource)
    if is_malformed(findings):
        return issues(root, findings[:MOST])
    claimed = resource.get("meta", {}).get("profile", ())
    others = [check for url in profiles if url not in claimed and (check := profile_check(url))]
    findings += tuple(finding for check in others for finding in check(resource))
    return (
        *issues(root, findings[:MOST]),
        *issues(root, warnings(resource)[:MOST], "warning"),
        *issues(root, tuple(unknown_claims(resource))[:MOST], "information"),
    )


def _root(resource: dict[str, Any]) -> str:
    return str(resource.get("resourceType", "Resource"))
