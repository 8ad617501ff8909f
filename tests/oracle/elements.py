"""What each search parameter of a few types looks at, by hand: http://hl7.org/fhir/R4/searchparameter-registry.html"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Json = dict[str, Any]


class Parameter(NamedTuple):
    """`kind` is the search type, `values` the elements it looks at, `targets` the types that a reference can name."""

    kind: str
    values: Callable[[Json], list[Any]]
    targets: tuple[str, ...] = ()


def _at(*path: str) -> Callable[[Json], list[Any]]:
    def values(resource: Json) -> list[Any]:
        found: list[Any] = [resource]
        for name in path:
            found = [each for node in found if name in node for each in _listed(node[name])]
        return found

    return values


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _any(*each: Callable[[Json], list[Any]]) -> Callable[[Json], list[Any]]:
    return lambda resource: [value for values in each for value in values(resource)]


def _to(kind: str, values: Callable[[Json], list[Any]]) -> Callable[[Json], list[Any]]:
    """`subject.where(resolve() is Patient)`"""
    return lambda resource: [r for r in values(resource) if _type_of(r.get("reference", ""), resource) == kind]


def _type_of(reference: str, resource: Json) -> str:
    inside = local(reference, resource)
    return inside["resourceType"] if inside else reference.partition("/")[0]


def local(reference: str, resource: Json) -> Json | None:
    """The contained resource that a reference means."""
    return next((r for r in resource.get("contained", ()) if reference == f"#{r['id']}"), None)


_SUBJECTS: Final = ("Patient", "Group", "Device", "Location")
_PERFORMERS: Final = ("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "RelatedPerson")
PARAMETERS: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "Patient": {
        "name": Parameter("name", _at("name")),
        "family": Parameter("string", _at("name", "family")),
        "given": Parameter("string", _at("name", "given")),
        "gender": Parameter("token", _at("gender")),
        "active": Parameter("token", _at("active")),
        "identifier": Parameter("token", _at("identifier")),
        "birthdate": Parameter("date", _at("birthDate")),
        "organization": Parameter("reference", _at("managingOrganization"), ("Organization",)),
        "link": Parameter("reference", _at("link", "other"), ("Patient", "RelatedPerson")),
    },
    "Organization": {
        "name": Parameter("string", _any(_at("name"), _at("alias"))),
        "active": Parameter("token", _at("active")),
        "identifier": Parameter("token", _at("identifier")),
        "partof": Parameter("reference", _at("partOf"), ("Organization",)),
    },
    "Observation": {
        "status": Parameter("token", _at("status")),
        "code": Parameter("token", _at("code")),
        "category": Parameter("token", _at("category")),
        "component-code": Parameter("token", _at("component", "code")),
        "combo-code": Parameter("token", _any(_at("code"), _at("component", "code"))),
        "value-quantity": Parameter("quantity", _at("valueQuantity")),
        "component-value-quantity": Parameter("quantity", _at("component", "valueQuantity")),
        "combo-value-quantity": Parameter("quantity", _any(_at("valueQuantity"), _at("component", "valueQuantity"))),
        "value-string": Parameter("string", _at("valueString")),
        "date": Parameter("date", _any(_at("effectiveDateTime"), _at("effectivePeriod"))),
        "subject": Parameter("reference", _at("subject"), _SUBJECTS),
        "patient": Parameter("reference", _to("Patient", _at("subject")), ("Patient",)),
        "performer": Parameter("reference", _at("performer"), _PERFORMERS),
    },
    "RiskAssessment": {
        "probability": Parameter(
            "number", _any(_at("prediction", "probabilityDecimal"), _at("prediction", "probabilityRange"))
        ),
        "subject": Parameter("reference", _at("subject"), ("Patient", "Group")),
        "date": Parameter("date", _at("occurrenceDateTime")),
    },
    "ValueSet": {"url": Parameter("uri", _at("url")), "version": Parameter("token", _at("version"))},
}

# composite → the element, and its parts
COMPOSITES: Final[Mapping[str, tuple[Callable[[Json], list[Json]], tuple[Parameter, ...]]]] = {
    "code-value-quantity": (
        lambda resource: [resource],
        (Parameter("token", _at("code")), Parameter("quantity", _at("valueQuantity"))),
    ),
    "code-value-string": (
        lambda resource: [resource],
        (Parameter("token", _at("code")), Parameter("string", _at("valueString"))),
    ),
    "component-code-value-quantity": (
        _at("component"),
        (Parameter("token", _at("code")), Parameter("quantity", _at("valueQuantity"))),
    ),
    "combo-code-value-quantity": (
        lambda resource: [resource, *resource.get("component", ())],
        (Parameter("token", _at("code")), Parameter("quantity", _at("valueQuantity"))),
    ),
}
