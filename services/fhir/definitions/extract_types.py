"""Types and their elements out of the StructureDefinitions: http://hl7.org/fhir/R4/elementdefinition.html"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from services.fhir.definitions.model import Element, TypeDefinition
from services.fhir.definitions.package import Package

_KINDS = {"resource": "resource", "complex-type": "complex", "primitive-type": "primitive"}
_DEFINITION = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."


def types(package: Package, expanded: frozenset[str]) -> Iterator[TypeDefinition]:
    """Give every concrete resource, complex type, primitive and backbone; `expanded` names the checkable value sets."""
    definitions = (each for each in package.all("StructureDefinition") if each.get("derivation") != "constraint")
    for definition in sorted(definitions, key=lambda each: str(each["name"])):
        if definition["kind"] in _KINDS and not definition["abstract"]:
            yield from _types_of(definition, expanded)


def _types_of(definition: dict[str, Any], expanded: frozenset[str]) -> Iterator[TypeDefinition]:
    name, kind = str(definition["name"]), _KINDS[definition["kind"]]
    elements: defaultdict[str, dict[str, Element]] = defaultdict(dict)
    for each in definition["snapshot"]["element"][1:]:
        parent, _, last = str(each["path"]).rpartition(".")
        if each["max"] != "0" and not (kind == "primitive" and last == "value"):
            element = _element(each, last, expanded)
            if (kind, parent, last) == ("resource", name, "id"):  # R4 gives it as a string
                element = msgspec.structs.replace(element, types=("id",))
            elements[parent][element.name] = element
    for path, its_elements in elements.items():
        yield TypeDefinition(path, kind if path == name else "backbone", its_elements)


def _element(each: dict[str, Any], last: str, expanded: frozenset[str]) -> Element:
    return Element(
        name=last.removesuffix("[x]"),
        min=int(each["min"]),
        max=None if each["max"] == "*" else int(each["max"]),
        types=_types(each),
        choice=last.endswith("[x]"),
        targets=_targets(each),
        codes=_codes(each, expanded),
    )


def _types(each: dict[str, Any]) -> tuple[str, ...]:
    if "contentReference" in each:
        return (str(each["contentReference"]).removeprefix("#"),)
    names = tuple(_type_name(type_) for type_ in each["type"])
    return (str(each["path"]),) if names in (("BackboneElement",), ("Element",)) else names


def _type_name(type_: dict[str, Any]) -> str:
    """Read the FHIR type; R4 gives ids and Extension.url as System.String, with the FHIR type in an extension."""
    if not type_["code"].startswith(_SYSTEM_TYPE):
        return str(type_["code"])
    extensions = {each["url"]: each["valueUrl"] for each in type_.get("extension", ())}
    return str(extensions.get(_FHIR_TYPE, "string"))


def _targets(each: dict[str, Any]) -> tuple[str, ...]:
    references = (type_ for type_ in each.get("type", ()) if type_["code"] == "Reference")
    profiles = (str(profile) for type_ in references for profile in type_.get("targetProfile", ()))
    targets = tuple(profile.removeprefix(_DEFINITION) for profile in profiles)
    return () if "Resource" in targets else targets


def _codes(each: dict[str, Any], expanded: frozenset[str]) -> str | None:
    binding = each.get("binding", {})
    value_set = str(binding.get("valueSet", "")).partition("|")[0]
    return value_set if binding.get("strength") == "required" and value_set in expanded else None
