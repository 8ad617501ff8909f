"""What the values of a parameter can name: types of resources, canonicals, code systems: http://hl7.org/fhir/R4/search.html#reference"""

import re
from collections.abc import Iterator
from functools import cache

from services.fhir.definitions import Element, SearchParameter, property_of, required_systems, resource_types
from services.fhir.search.paths import branches
from services.fhir.search.walk import Field

_RESOLVED = re.compile(r"resolve\(\) is (\w+)")
_SPECIAL_VALUES = frozenset(
    {"http://terminology.hl7.org/CodeSystem/special-values", "http://hl7.org/fhir/special-values"}
)


@cache
def reference_targets(resource_type: str, parameter: SearchParameter) -> tuple[str, ...]:
    """Give the types that a reference parameter can point to: those of the parameter that its elements allow."""
    if resolved := tuple(dict.fromkeys(_RESOLVED.findall(parameter.expression))):
        return resolved
    stated = parameter.targets or tuple(t for t in resource_types() if t != "Parameters")  # which has no endpoint
    elements = [element for element, type_ in _elements(parameter.expression, resource_type) if type_ == "Reference"]
    if not elements or any(not element.targets for element in elements):
        return stated
    allowed = {target for element in elements for target in element.targets}
    return tuple(target for target in stated if target in allowed) or stated


@cache
def refers_by_canonical(expression: str, resource_type: str) -> bool:
    """Tell whether the values are URLs that name a definition, never ids."""
    return {branch.type for branch in branches(expression, resource_type)} <= {"canonical", "uri"}


@cache
def implied_systems(expression: str, resource_type: str) -> frozenset[str]:
    """Give the systems that a search may name although the element has only a code: http://hl7.org/fhir/R4/search.html#token."""
    found = [*_elements(expression, resource_type)]
    if found and all(type_ == "boolean" for _, type_ in found):
        return _SPECIAL_VALUES
    if not found or any(type_ != "code" or element.codes is None for element, type_ in found):
        return frozenset()
    return frozenset().union(*(required_systems(element.codes or "") for element, _ in found))


@cache
def value_types(parameter: SearchParameter, resource_type: str) -> frozenset[str]:
    """Give the FHIR types of what a parameter looks at."""
    return frozenset(branch.type for branch in branches(parameter.expression, resource_type))


def _elements(expression: str, resource_type: str) -> Iterator[tuple[Element, str]]:
    """Give the element at the end of each path of the expression, with its type."""
    for branch in branches(expression, resource_type):
        found, type_ = None, resource_type
        for step in branch.steps:
            if isinstance(step, Field) and (found := property_of(type_, step.name)):
                type_ = found[1]
        if found:
            yield found
