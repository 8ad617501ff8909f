"""The profiles that a resource claims, or is held to: http://hl7.org/fhir/R4/resource-definitions.html#Meta.profile

A claim that is not known here is kept and not looked into: it is another's promise.
"""

from functools import cache
from typing import Any, Final

from services.fhir.definitions import resource_types
from services.fhir.validation.primitives import Check
from services.fhir.validation.problems import Findings, found
from services.fhir.validation.profiles.elements import all_of, object_checks
from services.fhir.validation.profiles.shipped import shipped_profile
from services.fhir.validation.profiles.tree import tree
from services.fhir.validation.profiles.words import named

Json = dict[str, Any]

_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"


def check_claims(resource: Json) -> Findings:
    """Check a resource, which R4 itself accepts, against each profile that it claims and that is known here."""
    claimed = resource["meta"].get("profile", ())
    checks = [check for url in claimed if url is not None and (check := profile_check(url))]
    return tuple(finding for check in checks for finding in check(resource))


def known_profile(canonical: str) -> bool:
    return profile_check(canonical) is not None


def profile_check(canonical: str) -> Check | None:
    """Give the check of a profile for a resource of any type; None for a profile that is not known here."""
    definition = shipped_profile(canonical)
    if definition is not None:
        return _check_of(str(definition["url"]))
    type_ = canonical.removeprefix(_DEFINITION)
    return _of_type(type_) if type_ in resource_types() else None


@cache
def _check_of(url: str) -> Check:
    definition = shipped_profile(url) or {}
    type_, base = str(definition["type"]), str(definition["baseDefinition"])
    own = object_checks(tree(definition), type_, named(definition))
    check = all_of([*own, *([_check_of(base)] if shipped_profile(base) else [])])
    is_right = _of_type(type_)
    return lambda value: is_right(value) or (check(value) if check else ())


@cache
def _of_type(type_: str) -> Check:
    wrong = found("invalid", f"The profile is about {type_}", f"该规范只适用于 {type_}")
    return lambda value: () if value.get("resourceType") == type_ else wrong
