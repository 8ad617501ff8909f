"""The values by which a resource is found: http://hl7.org/fhir/R4/search.html#searchValue"""

from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from services.fhir.definitions import SearchParameter
from services.fhir.search import dates, names, position, quantities, references, strings, tokens
from services.fhir.search.composites import Walk, composite_walks
from services.fhir.search.keys import contained_key
from services.fhir.search.parameters import (
    DateParameter,
    composite_parameters,
    date_parameters,
    indexed_parameters,
    patient_of,
    patient_parameter,
    patient_parameters,
    patient_reference,
)
from services.fhir.search.paths import Branch, branches
from services.fhir.search.registry import remembered
from services.fhir.search.row import (
    NOTHING_INSIDE,
    CompositeIndex,
    ContainedIndex,
    DateIndex,
    IndexRow,
    QuantityIndex,
    Row,
)
from services.fhir.search.walk import Sink, bind, bind_value
from services.fhir.search.words import words_of

__all__ = [
    "CompositeIndex",
    "ContainedIndex",
    "DateIndex",
    "DateParameter",
    "IndexRow",
    "QuantityIndex",
    "date_parameters",
    "index",
    "patient_parameter",
    "patient_parameters",
    "patient_reference",
]

Json = dict[str, Any]

_SINKS: Mapping[tuple[str, str], Callable[[str], Sink[Row]]] = {
    #  search type  FHIR type
    ("string", "string"): strings.plain,
    ("string", "markdown"): strings.plain,
    ("string", "HumanName"): names.human_name,
    ("string", "Address"): strings.address,
    ("token", "Coding"): tokens.coding,
    ("token", "CodeableConcept"): tokens.codeable_concept,
    ("token", "Identifier"): tokens.identifier,
    ("token", "ContactPoint"): tokens.contact_point,
    ("token", "boolean"): tokens.boolean,
    ("token", "code"): tokens.plain,
    ("token", "id"): tokens.plain,
    ("token", "uri"): tokens.plain,
    ("token", "string"): tokens.plain,
    ("reference", "Reference"): references.reference,
    ("reference", "canonical"): references.canonical,
    ("reference", "uri"): references.canonical,
    ("reference", "Attachment"): references.attachment,
    ("reference", "Resource"): references.inline_resource,
    ("uri", "uri"): references.uri,
    ("uri", "url"): references.uri,
    ("uri", "canonical"): references.versioned_uri,
    ("date", "date"): dates.text,
    ("date", "dateTime"): dates.text,
    ("date", "instant"): dates.text,
    ("date", "Period"): dates.period,
    ("date", "Timing"): dates.timing,
    ("number", "integer"): quantities.number,
    ("number", "decimal"): quantities.number,
    ("number", "Range"): quantities.range_,
    ("quantity", "Quantity"): quantities.quantity,
    ("quantity", "Age"): quantities.quantity,
    ("quantity", "Duration"): quantities.quantity,
    ("quantity", "Range"): quantities.range_,
    ("quantity", "Money"): quantities.money,
    ("quantity", "SampledData"): quantities.sampled_data,
    ("special", "Location.position"): position.position,
}


def can_index(search_type: str, fhir_type: str) -> bool:
    return (search_type, fhir_type) in _SINKS


@remembered
def index(resource_type: str, base: str = "", zone: tzinfo | None = None) -> Callable[[Json], IndexRow]:
    """Give a function from a valid resource to its index row.

    `base` is this server's own FHIR base, whose absolute references count as relative ones;
    `zone` is that of dates without one (default Asia/Shanghai).
    """
    by_property, whole = _walks(resource_type)
    patient, own_base, own_zone = (
        patient_of(resource_type),
        base and base.rstrip("/") + "/",
        zone or dates.default_zone(),
    )

    def index_row(resource: Json) -> IndexRow:
        inside = resource.get("contained")
        names = _names(inside) if inside else NOTHING_INSIDE
        if names:
            resource = _with_types(resource, names)
        row = Row(own_base, own_zone, names)
        for name, value in resource.items():
            for walk in by_property.get(name, ()):
                walk(value, row)
        for walk in whole:
            walk(resource, row)
        for each in dict.fromkeys(row.contained.values()):
            row.tokens[contained_key("", each)] = None
        found = row.done(patient(resource, own_base))
        found.words = words_of(resource)
        if inside:
            found.contained = [_contained(each, base, zone) for each in inside]
        return found

    return index_row


def _names(contained: list[Json]) -> dict[str, str]:
    return {each["id"]: each["resourceType"] for each in contained if "id" in each}


def _with_types(node: Any, names: Mapping[str, str]) -> Any:
    """Say of each reference to a contained resource what it is, as `resolve()` would find."""
    if isinstance(node, list):
        return [_with_types(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    copied = {name: _with_types(value, names) for name, value in node.items()}
    local = node.get("reference")
    if isinstance(local, str) and local[:1] == "#" and local[1:] in names:
        copied["type"] = names[local[1:]]
    return copied


def _contained(resource: Json, base: str, zone: tzinfo | None) -> ContainedIndex:
    resource_type = resource["resourceType"]
    return ContainedIndex(resource.get("id", ""), resource_type, index(resource_type, base, zone)(resource))


def _walks(resource_type: str) -> tuple[dict[str, list[Sink[Row]]], list[Walk]]:
    """Sort the walks by the property that they start with, so that absent elements cost nothing."""
    by_property: dict[str, list[Sink[Row]]] = {}
    whole: list[Walk] = []
    columns = {each.code for each in date_parameters(resource_type)}
    for parameter, branch in indexed_branches(resource_type):
        sink = _SINKS[parameter.type, branch.type](parameter.code)
        if parameter.type == "date" and parameter.code not in columns:
            sink = dates.as_quantities(parameter.code, sink)
        if start := bind_value(branch.steps, sink):
            by_property.setdefault(start[0], []).append(start[1])
        else:
            whole.append(bind(branch.steps, sink))
    whole += composite_walks(composite_parameters(resource_type), resource_type, _SINKS)
    return by_property, whole


def indexed_branches(resource_type: str) -> Iterator[tuple[SearchParameter, Branch]]:
    for parameter in indexed_parameters(resource_type):
        for branch in branches(parameter.expression, resource_type):
            if (parameter.type, branch.type) in _SINKS:
                yield parameter, branch
