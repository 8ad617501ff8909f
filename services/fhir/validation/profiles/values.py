"""What a profile asks of one value: fixed, bound, of a target, by rules: http://hl7.org/fhir/R4/elementdefinition.html"""

from collections.abc import Iterator
from typing import Any, Final

from services.fhir.fhirpath.compile import compile_node
from services.fhir.fhirpath.functions import referenced_type
from services.fhir.fhirpath.grammar import parse_expression
from services.fhir.fhirpath.values import truth
from services.fhir.validation.primitives import Check
from services.fhir.validation.problems import Findings, Problem
from services.fhir.validation.profiles.bindings import codes_of, is_bound
from services.fhir.validation.profiles.patterns import matches
from services.fhir.validation.profiles.shipped import shipped_profile
from services.fhir.validation.profiles.tree import Node
from services.fhir.validation.profiles.words import Profile, both

Json = dict[str, Any]

_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"


def value_checks(node: Node, type_: str, profile: Profile) -> Iterator[Check]:
    definition = node.definition
    if (fixed := node.value("fixed")) is not None:
        yield _unless(
            lambda value: bool(value == fixed), profile.problem("value", "not the fixed value", "取值与规定不符")
        )
    if (pattern := node.value("pattern")) is not None:
        yield _unless(
            lambda value: matches(value, pattern), profile.problem("value", "not the pattern", "取值与规定不符")
        )
    binding = definition.get("binding", {})
    if binding.get("strength") == "required":
        yield _bound(str(binding["valueSet"]), profile)
    if type_ == "Reference" and (targets := _targets(definition)):
        yield _unless(
            lambda value: referenced_type(value) in targets,
            profile.problem(
                "value", "the reference leads to a type that is not allowed here", "此处不允许引用该类型的资源"
            ),
        )
    for constraint in definition.get("constraint", ()):
        if constraint["severity"] == "error":
            yield _rule(constraint, type_, profile)


def _unless(is_right: Any, problem: Problem) -> Check:
    wrong: Findings = (("", problem),)
    return lambda value: () if is_right(value) else wrong


def _bound(value_set: str, profile: Profile) -> Check:
    systems = codes_of(value_set)
    problem = profile.problem("code-invalid", f"not in the required value set {value_set}", "代码不在规定的值集内")
    return _unless(lambda value: is_bound(value, systems), problem)


def _targets(definition: Json) -> frozenset[str | None]:
    """Give the types of the targets; a reference that names no type, by an identifier alone, is not refused."""
    urls = [str(url) for type_ in definition.get("type", ()) for url in type_.get("targetProfile", ())]
    return frozenset(map(_type_of, urls)) | {None} if urls else frozenset()


def _type_of(url: str) -> str:
    found = shipped_profile(url)
    return str(found["type"]) if found else url.removeprefix(_DEFINITION)


def _rule(constraint: Json, type_: str, profile: Profile) -> Check:
    evaluate = compile_node(parse_expression(constraint["expression"]), type_)
    chinese, english = both(str(constraint["human"]))
    problem = profile.problem("invariant", f"{constraint['key']}: {english}", chinese)
    return _unless(lambda value: truth(evaluate(value)), problem)
