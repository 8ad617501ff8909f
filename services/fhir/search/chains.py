"""Chained and reverse chained parameters: http://hl7.org/fhir/R4/search.html#chaining and http://hl7.org/fhir/R4/search.html#has"""

from collections.abc import Callable
from typing import Final

from services.fhir.definitions import SearchParameter, resource_types
from services.fhir.outcomes import FhirError
from services.fhir.search.query import Chain, Condition, Has
from services.fhir.search.refusals import invalid
from services.fhir.search.registry import search_parameters
from services.fhir.search.targets import reference_targets, refers_by_canonical

Parse = Callable[[str, str], Condition | None]

_PARTS_OF_HAS: Final = 4


def leads_on(name: str) -> bool:
    return "." in name or name.startswith("_has:")


def parse_chain(resource_type: str, name: str, parse: Parse) -> Condition | None:
    """`subject:Patient.name`: of a reference without a type, each type that has the rest is meant."""
    head, _, rest = name.partition(".")
    code, colon, target = head.partition(":")
    parameter = search_parameters(resource_type).get(code)
    if parameter is None:
        return None
    if parameter.type != "reference":
        raise invalid(name, f"{code} is not a reference, nothing can be chained to it", "该参数不是引用，不能链式检索")
    targets = reference_targets(resource_type, parameter)
    if colon and target not in targets:
        raise invalid(name, "the reference never points to this type", "该引用不会指向此资源类型")
    found = _understood((target,) if colon else targets, rest, parse)
    if not found:
        return None
    return Chain(code, found, canonical=refers_by_canonical(parameter.expression, resource_type))


def _understood(targets: tuple[str, ...], rest: str, parse: Parse) -> tuple[tuple[str, Condition], ...]:
    """The types that understand the rest; when none does, the first refusal is raised."""
    found: list[tuple[str, Condition]] = []
    refusal: FhirError | None = None
    for target in targets:
        try:
            condition = parse(target, rest)
        except FhirError as error:
            if error.issues[0].code == "too-costly":
                raise
            refusal = refusal or error
            continue
        if condition is not None:
            found.append((target, condition))
    if not found and refusal:
        raise refusal
    return tuple(found)


def parse_has(resource_type: str, name: str, parse: Parse) -> Condition | None:
    """`_has:Observation:patient:code`: the last part may chain, or be another `_has`."""
    parts = name.split(":", _PARTS_OF_HAS - 1)
    if len(parts) < _PARTS_OF_HAS or not parts[3]:
        raise invalid(name, "the form is _has:Type:reference:parameter", "格式应为 _has:类型:引用:参数")
    _, source, code, rest = parts
    if source not in resource_types():
        raise invalid(name, "not a resource type", "不是资源类型")
    parameter = search_parameters(source).get(code)
    if parameter is None or parameter.type != "reference":
        raise invalid(name, f"{code} is not a reference parameter of {source}", f"不是 {source} 的引用参数")
    if resource_type not in reference_targets(source, parameter):
        raise invalid(name, f"the reference never points to {resource_type}", f"该引用不会指向 {resource_type}")
    condition = parse(source, rest)
    if condition is None:
        return None
    return Has(source, code, condition, canonical=_by_canonical(parameter, source))


def _by_canonical(parameter: SearchParameter, source: str) -> bool:
    return refers_by_canonical(parameter.expression, source)
