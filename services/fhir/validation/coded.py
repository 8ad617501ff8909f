"""Codes under a required binding: http://hl7.org/fhir/R4/terminologies.html#required"""

import re
from typing import Any

from services.fhir.definitions import required_codes, required_systems
from services.fhir.validation.primitives import Check
from services.fhir.validation.problems import NOT_A_STRING, Findings, found, instead_of

_TOKEN = re.compile(r"[A-Za-z0-9._:/+-]{1,64}")


def code_in(value_set: str) -> Check:
    """Check a `code`; one that is wrong is told again only where it looks like a code."""
    codes = required_codes(value_set)

    def check(value: Any) -> Findings:
        if value.__class__ is not str:
            return instead_of(NOT_A_STRING, value)
        if value in codes:
            return ()
        shown = f"code '{value}'" if _TOKEN.fullmatch(value) else "code"
        return found(
            "code-invalid", f"The {shown} is not in the required value set {value_set}", "代码不在规定的值集内"
        )

    return check


def concept_in(value_set: str, check_concept: Check) -> Check:
    """Check a CodeableConcept: one of its codings must be from the value set."""
    systems = required_systems(value_set)
    none_of_them = found(
        "code-invalid", f"No coding is in the required value set {value_set}", "没有编码属于规定的值集"
    )

    def check(value: Any) -> Findings:
        if findings := check_concept(value):
            return findings
        codings = value.get("coding", ())
        if any(coding.get("code") in systems.get(coding.get("system"), ()) for coding in codings):
            return ()
        return none_of_them if codings or "text" in value else ()

    return check
