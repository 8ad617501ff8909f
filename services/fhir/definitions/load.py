"""The facts of R4, read on first use from the files that generate.py writes beside this module."""

from collections import defaultdict
from functools import cache
from importlib.resources import files

import msgspec

from services.fhir.definitions.model import Element, Invariant, SearchParameter, TypeDefinition, ValueSet

_NOT_A_DOMAIN_RESOURCE = frozenset({"Binary", "Bundle", "Parameters"})


@cache
def _records(file: str) -> dict[str, bytes]:
    """Split a fact file into its lines `"key":record`; a record is decoded when it is asked for."""
    header_and_records = files(__package__).joinpath(file).read_bytes().splitlines()[1:-1]
    pairs = (line.rstrip(b",").split(b'":', 1) for line in header_and_records[1:])
    return {key[1:].decode(): record for key, record in pairs}


@cache
def resource_types() -> tuple[str, ...]:
    """Name the concrete resources, sorted."""
    return tuple(sorted(name for name, record in _records("types.json").items() if b'"kind":"resource"' in record))


@cache
def type_definition(name: str) -> TypeDefinition:
    """Raise KeyError for a name that R4 does not define."""
    return msgspec.json.decode(_records("types.json")[name], type=TypeDefinition)


@cache
def _properties(type_name: str) -> dict[str, tuple[Element, str]]:
    properties = {}
    for element in type_definition(type_name).elements.values():
        for type_ in element.types:
            name = element.name + type_[0].upper() + type_[1:] if element.choice else element.name
            properties[name] = (element, type_)
    return properties


def property_of(type_name: str, json_name: str) -> tuple[Element, str] | None:
    """Find the element and the type that a JSON property stands for: `valueQuantity` is value[x] as Quantity."""
    return _properties(type_name).get(json_name)


@cache
def invariants(place: str) -> tuple[Invariant, ...]:
    """Give what R4 asks of a type, or of an element beyond its type: `Period`, `Observation`, `Organization.address`."""
    record = _records("invariants.json").get(place, b"[]")
    return msgspec.json.decode(record, type=tuple[Invariant, ...])


@cache
def invariant_places() -> tuple[str, ...]:
    """Name the places that have invariants of their own."""
    return tuple(_records("invariants.json"))


@cache
def _invariant_texts() -> dict[str, str]:
    texts = files(__package__).joinpath("invariants.zh.json").read_bytes()
    return msgspec.json.decode(texts, type=dict[str, str])


def invariant_text(place: str, key: str) -> str | None:
    """Give an invariant in Chinese, for the types that this platform uses most; R4 gives the key `inv-1` to several."""
    texts = _invariant_texts()
    return texts.get(f"{place} {key}") or texts.get(key)


@cache
def _search_records() -> dict[str, list[bytes]]:
    by_base = defaultdict(list)
    for key, record in _records("search-parameters.json").items():
        by_base[key.partition("?")[0]].append(record)
    return by_base


@cache
def search_parameters(resource: str) -> dict[str, SearchParameter]:
    """Give the search parameters of a resource type by code, those of Resource and DomainResource included."""
    bases = ["Resource", resource] if resource in _NOT_A_DOMAIN_RESOURCE else ["Resource", "DomainResource", resource]
    records = (record for base in bases for record in _search_records().get(base, ()))
    parameters = (msgspec.json.decode(record, type=SearchParameter) for record in records)
    return {parameter.code: parameter for parameter in parameters}


@cache
def own_parameters(resource: str) -> tuple[SearchParameter, ...]:
    """Give the platform's own search parameters of a resource type: SearchParameter resources, one a file in `search/`."""
    folder = files(__package__).joinpath("search")
    found = [msgspec.json.decode(each.read_bytes()) for each in folder.iterdir() if each.name.endswith(".json")]
    return tuple(
        SearchParameter(p["code"], p["type"], p["expression"], tuple(p.get("target", ())), p["url"])
        for p in sorted(found, key=lambda each: str(each["code"]))
        if resource in p["base"]
    )


@cache
def required_systems(key: str) -> dict[str, frozenset[str]]:
    """Give the codes of a required binding under their code systems."""
    value_set = msgspec.json.decode(_records("value-sets.json")[key], type=ValueSet)
    return {system: frozenset(codes) for system, codes in value_set.systems.items()}


@cache
def required_codes(key: str) -> frozenset[str]:
    """Give the codes of a required binding, whatever their system."""
    return frozenset().union(*required_systems(key).values())


@cache
def compartments() -> dict[str, dict[str, tuple[str, ...]]]:
    """Give, by compartment (`Patient`) and resource type, the parameters that put a resource into it."""
    found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for key, record in _records("compartments.json").items():
        compartment, _, resource = key.partition("/")
        found[compartment][resource] = msgspec.json.decode(record, type=tuple[str, ...])
    return dict(found)


def patient_compartment() -> dict[str, tuple[str, ...]]:
    """Give the parameters that put a resource of a type into a patient's compartment."""
    return compartments()["Patient"]


@cache
def summary_elements(type_name: str) -> frozenset[str]:
    """Name the elements of a resource type or a backbone that its summary has; none for a type that is told as a whole."""
    record = _records("summary.json").get(type_name)
    return frozenset(msgspec.json.decode(record, type=tuple[str, ...])) if record else frozenset()
