"""What R4 warns of but does not refuse, told by $validate alone: http://hl7.org/fhir/R4/conformance-rules.html#warning"""

from collections.abc import Iterator
from typing import Any

from services.fhir.validation.invariants import warnings_of
from services.fhir.validation.problems import Findings, Problem
from services.fhir.validation.profiles import profile_check
from services.fhir.validation.walk import walk

_UNKNOWN_PROFILE = Problem(
    "informational", "This profile is not known here; nothing was checked against it", "此处没有该规范，未按其检查"
)


def warnings(resource: dict[str, Any]) -> Findings:
    """Give the warnings about a resource that R4 accepts."""
    return tuple(
        (placed.path, problem)
        for placed in walk(resource)
        for problem in warnings_of(placed.value, placed.type, placed.place)
    )


def unknown_claims(resource: dict[str, Any]) -> Iterator[tuple[str, Problem]]:
    """Give the claims that nobody can hold the resource to."""
    for number, url in enumerate(resource.get("meta", {}).get("profile", ())):
        if url is not None and profile_check(url) is None:
            yield f".meta.profile[{number}]", _UNKNOWN_PROFILE
