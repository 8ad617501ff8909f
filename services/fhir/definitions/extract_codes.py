"""Expansions of the value sets that R4 binds as required: http://hl7.org/fhir/R4/terminologies.html#required"""

from typing import Any

from services.fhir.definitions.model import ValueSet
from services.fhir.definitions.package import Package


class _CannotExpandError(Exception):
    """R4 alone does not hold what the expansion needs."""


def required_value_sets(package: Package) -> list[ValueSet]:
    """Expand each value set of a required binding, or say why the package does not allow it."""
    definitions = (each for each in package.all("StructureDefinition") if each.get("derivation") != "constraint")
    elements = (element for definition in definitions for element in definition["snapshot"]["element"])
    bindings = (element.get("binding", {}) for element in elements)
    urls = {str(each["valueSet"]).partition("|")[0] for each in bindings if each.get("strength") == "required"}
    return [_expand(package, url) for url in sorted(urls)]


def _expand(package: Package, url: str) -> ValueSet:
    value_set = package.get("ValueSet", url)
    if value_set is None:
        return ValueSet(url, reason="the value set is not in the package")
    systems: dict[str, tuple[str, ...]] = {}
    try:
        for include in value_set["compose"]["include"]:
            systems[include["system"]] = systems.get(include["system"], ()) + _codes(package, include)
    except _CannotExpandError as error:
        return ValueSet(url, reason=str(error))
    return ValueSet(url, systems)


def _codes(package: Package, include: dict[str, Any]) -> tuple[str, ...]:
    if "concept" in include:
        return tuple(str(concept["code"]) for concept in include["concept"])
    system = package.get("CodeSystem", include["system"])
    if system is None or system["content"] != "complete":
        raise _CannotExpandError(f"the codes of {include['system']} are not in the package")
    if include.keys() - {"system", "version", "extension"}:
        raise _CannotExpandError("the value set selects its codes by filter or from other value sets")
    return tuple(_all_codes(system["concept"]))


def _all_codes(concepts: list[dict[str, Any]]) -> list[str]:
    codes = []
    for concept in concepts:
        codes += [str(concept["code"]), *_all_codes(concept.get("concept", []))]
    return codes
