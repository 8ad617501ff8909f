"""The parameters that a type is indexed by, and the patient whose compartment it is in: http://hl7.org/fhir/R4/compartmentdefinition-patient.html"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from services.fhir import definitions
from services.fhir.definitions import (
    Element,
    SearchParameter,
    patient_compartment,
    property_of,
    type_definition,
)
from services.fhir.references import relative
from services.fhir.search.composites import Component, components_of
from services.fhir.search.paths import branches
from services.fhir.search.registry import custom_parameters, remembered, search_parameters
from services.fhir.search.walk import Field

_INDEXED = frozenset({"string", "token", "reference", "uri", "date", "number", "quantity", "special"})
_IN_THE_ROW_ITSELF = frozenset({"_id", "_lastUpdated"})
_PATIENT = re.compile(r"Patient/([A-Za-z0-9.-]{1,64})")


class DateParameter(msgspec.Struct, frozen=True):
    """`column` is the stem of the store's columns; `repeats` tells that a resource may have several values."""

    code: str
    column: str
    repeats: bool


@cache
def r4_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """Give R4's own indexed parameters, for which the tables are made."""
    parameters = definitions.search_parameters(resource_type).values()
    return tuple(
        each for each in parameters if each.type in _INDEXED and each.expression and each.code not in _IN_THE_ROW_ITSELF
    )


@remembered
def indexed_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """Give R4's and the learnt ones, those too that cannot be searched by yet."""
    custom = (each for each in custom_parameters(resource_type) if each.type != "composite")
    return (*r4_parameters(resource_type), *custom)


@remembered
def answered(resource_type: str) -> frozenset[str]:
    """Name the parameters that some element of the type, or its row, answers."""
    return frozenset(each.code for each in searchable_parameters(resource_type))


def searchable_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """Give what a search of the type understands: the indexed ones, and those that are columns of every row."""
    own = [each for each in search_parameters(resource_type).values() if each.code in _IN_THE_ROW_ITSELF]
    found = (*own, *indexed_parameters(resource_type), *composite_parameters(resource_type))
    return tuple(each for each in found if each.code in search_parameters(resource_type))


@cache
def date_parameters(resource_type: str) -> tuple[DateParameter, ...]:
    dates = (parameter for parameter in r4_parameters(resource_type) if parameter.type == "date")
    return tuple(DateParameter(each.code, each.code.replace("-", "_"), _repeats(each, resource_type)) for each in dates)


@remembered
def composite_parameters(resource_type: str) -> dict[SearchParameter, tuple[Component, ...]]:
    """Give the composites of a type with their parts."""
    parameters = [*definitions.search_parameters(resource_type).values(), *custom_parameters(resource_type)]
    by_url = {each.url: each for each in parameters}
    composites = {each: components_of(each, by_url) for each in parameters if each.type == "composite"}
    return {each: components for each, components in composites.items() if components}


@cache
def patient_parameter(resource_type: str) -> str | None:
    """Name the parameter over the one element that puts a resource into one patient's compartment.

    None where the type is outside the compartment or such an element repeats; `_id` for Patient itself.
    """
    if resource_type == "Patient":
        return "_id"
    codes = patient_compartment().get(resource_type, ())
    single = [code for code in codes if _single_reference(code, resource_type)]
    return min(single, key=lambda code: _rank(code, resource_type), default=None)


@cache
def patient_parameters(resource_type: str) -> frozenset[str]:
    """Name every parameter over the same element as `patient_parameter`: mostly both `patient` and `subject`."""
    own = patient_parameter(resource_type)
    if own is None or own == "_id":
        return frozenset({own} if own else ())
    element = _single_reference(own, resource_type)
    codes = (each.code for each in r4_parameters(resource_type) if each.type == "reference")
    return frozenset(code for code in codes if _single_reference(code, resource_type) == element)


@cache
def patient_reference(resource_type: str) -> Callable[[dict[str, Any]], str | None]:
    """Give a function from a resource to the text of the reference that may put it into a patient's compartment."""
    parameter = patient_parameter(resource_type)
    element = parameter and parameter != "_id" and _single_reference(parameter, resource_type)
    if not element:
        return lambda _: None
    name = element.name
    return lambda resource: resource.get(name, {}).get("reference")


@cache
def patient_of(resource_type: str) -> Callable[[dict[str, Any], str], str | None]:
    """Give a function (resource, own base) → the id of the patient whose compartment the resource is in."""
    if patient_parameter(resource_type) == "_id":
        return lambda resource, _: resource.get("id")
    referenced = patient_reference(resource_type)

    def patient(resource: dict[str, Any], base: str) -> str | None:
        reference = referenced(resource)
        found = _PATIENT.fullmatch(relative(reference, base)) if reference else None
        return found[1] if found else None

    return patient


def _single_reference(code: str, resource_type: str) -> Element | None:
    """Give the element of a parameter that finds one Reference at most, in one place."""
    found = branches(search_parameters(resource_type)[code].expression, resource_type)
    fields = [step for branch in found for step in branch.steps if isinstance(step, Field)]
    if len(fields) != 1 or fields[0].many or found[0].type != "Reference":
        return None
    return type_definition(resource_type).elements.get(fields[0].name)


def _rank(code: str, resource_type: str) -> tuple[bool, bool, bool]:
    element = _single_reference(code, resource_type)
    return code != "patient", code != "subject", element is None or element.min == 0


def _repeats(parameter: SearchParameter, resource_type: str) -> bool:
    """The properties of a choice exclude each other, everything else may come together."""
    found = branches(parameter.expression, resource_type)
    fields = [[step for step in branch.steps if isinstance(step, Field)] for branch in found]
    elements = {_element_of(each[0].name, resource_type) for each in fields}
    return len(elements) > 1 or any(field.many for each in fields for field in each)


def _element_of(name: str, resource_type: str) -> str:
    found = property_of(resource_type, name)
    return found[0].name if found else name
