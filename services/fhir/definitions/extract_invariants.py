"""The invariants of the StructureDefinitions: http://hl7.org/fhir/R4/conformance-rules.html#constraints"""

from collections.abc import Iterator
from typing import Any, Final

from services.fhir.definitions.model import Invariant
from services.fhir.definitions.package import Package

_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
_KINDS = {"resource", "complex-type", "primitive-type"}
_INHERITED = ("Element", "DomainResource")

# What R4 wrote differs from what its own words say; the expression that is used instead, and why.
CORRECTIONS: Final = {
    "con-3": (
        "clinicalStatus.exists() or verificationStatus.coding.code = 'entered-in-error' or category.coding.where(code = 'problem-list-item').empty()",
        "R4 compares the concept with a string, which is never equal",
    ),
    "md-1": ("max.empty() or max='*' or (max.toInteger() > 0)", "R4 forgets that max is optional"),
    "ras-2": (
        "probability.empty() or (probability is decimal implies (probability as decimal) <= 100)",
        "R4 forgets that the probability is optional",
    ),
    "que-7": ("operator = 'exists' implies (answer is boolean)", "R4 names the type of FHIRPath instead of FHIR's"),
}
# What one server alone cannot decide for every resource.
LIMITS: Final = {
    "ctm-1": "the type of the member is what its reference says; a member that says none is taken for a Practitioner",
}


def invariants(package: Package) -> dict[str, tuple[Invariant, ...]]:
    """Give the invariants by the place that states them: a type, a backbone, or an element such as `Organization.address`."""
    definitions = [each for each in package.all("StructureDefinition") if _is_of_r4_itself(each)]
    by_root = {str(each["name"]): _keys(each["snapshot"]["element"][0]) for each in definitions}
    inherited = frozenset(key for name in _INHERITED for key in by_root[name])
    places: dict[str, tuple[Invariant, ...]] = {}
    for definition in definitions:
        for place, stated in _stated(definition, by_root, inherited):
            places[place] = tuple(map(_invariant, stated))
    return dict(sorted((places | _profiled(package, definitions)).items()))


def _is_of_r4_itself(definition: dict[str, Any]) -> bool:
    return definition["kind"] in _KINDS and definition.get("derivation") != "constraint"


def _stated(
    definition: dict[str, Any], by_root: dict[str, frozenset[str]], inherited: frozenset[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Leave out what a snapshot repeats of the element's type."""
    for number, element in enumerate(definition["snapshot"]["element"]):
        its_type = frozenset().union(*(by_root.get(each["code"], ()) for each in element.get("type", ()) if number))
        known = its_type if definition["name"] in _INHERITED else its_type | inherited
        if stated := [each for each in element.get("constraint", ()) if each["key"] not in known]:
            yield str(element["path"]).removesuffix("[x]"), stated


def _profiled(package: Package, definitions: list[dict[str, Any]]) -> dict[str, tuple[Invariant, ...]]:
    """Elements whose type R4 narrows by a profile of its own, SimpleQuantity: it adds its invariants."""
    simple = package.get("StructureDefinition", f"{_DEFINITION}SimpleQuantity")
    quantity = package.get("StructureDefinition", f"{_DEFINITION}Quantity")
    added = _keys(simple["snapshot"]["element"][0]) - _keys(quantity["snapshot"]["element"][0])  # type: ignore[index]
    stated = [each for each in simple["snapshot"]["element"][0]["constraint"] if each["key"] in added]  # type: ignore[index]
    elements = (each for definition in definitions for each in definition["snapshot"]["element"])
    return {
        str(element["path"]).removesuffix("[x]"): tuple(map(_invariant, stated))
        for element in elements
        for type_ in element.get("type", ())
        if simple["url"] in type_.get("profile", ())  # type: ignore[index]
    }


def _keys(element: dict[str, Any]) -> frozenset[str]:
    return frozenset(str(each["key"]) for each in element.get("constraint", ()))


def _invariant(constraint: dict[str, Any]) -> Invariant:
    key = str(constraint["key"])
    expression, reason = CORRECTIONS.get(key, (str(constraint["expression"]), LIMITS.get(key, "")))
    return Invariant(key, str(constraint["severity"]), str(constraint["human"]), expression, reason)
