"""Contained resources and the references to them: http://hl7.org/fhir/R4/references.html#contained"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from services.fhir.validation.problems import Findings, LocalReference, Problem, found, is_malformed
from services.fhir.validation.references import WRONG_TYPE
from services.fhir.validation.walk import walk

Json = dict[str, Any]

_DOM_2: Final = found("invariant", "dom-2: a contained resource must not contain another", "被包含的资源不能再包含资源")
_DOM_3: Final = Problem(
    "invariant",
    "dom-3: a contained resource must be referred to, or refer to what contains it",
    "被包含的资源须被引用，或引用包含它的资源",
)
_DOM_4: Final = (
    ".meta",
    Problem("invariant", "dom-4: no version and no time in a contained resource", "被包含的资源不能有版本号和更新时间"),
)
_DOM_5: Final = (
    ".meta.security",
    Problem("invariant", "dom-5: no security label in a contained resource", "被包含的资源不能有安全标签"),
)
_LINKS: Final = frozenset({"canonical", "uri", "url"})


def check_contained(value: Any, check: Callable[[Any], Findings]) -> Findings:
    """Check a contained resource as a part of what contains it: local references are left to that."""
    findings = check(value)
    if value.__class__ is not dict:
        return findings
    meta = value.get("meta")
    if meta.__class__ is dict:
        findings += (_DOM_4,) if "versionId" in meta or "lastUpdated" in meta else ()
        findings += (_DOM_5,) if "security" in meta else ()
    return findings + _DOM_2 if "contained" in value else findings


def settle(findings: Findings, resource: Any) -> Findings:
    """Compare the local references of a whole resource with what it contains (ref-1, dom-3), where that can be read."""
    if is_malformed(findings):
        return tuple(each for each in findings if not isinstance(each[1], LocalReference))
    contained = resource.get("contained", [])
    types = {each["id"]: each["resourceType"] for each in contained if "id" in each}
    asked = {problem.id for _, problem in findings if isinstance(problem, LocalReference)}
    kept = tuple(each for finding in findings for each in _settled(*finding, types))
    return kept + tuple(_unasked(resource, contained, asked))


def _settled(path: str, problem: Problem, types: Mapping[str, str]) -> Findings:
    if not isinstance(problem, LocalReference) or problem.id not in types:
        return ((path, problem),)
    return () if types[problem.id] in problem.targets else ((path, WRONG_TYPE),)


def _unasked(resource: Json, contained: list[Json], asked: set[str]) -> Iterator[tuple[str, Problem]]:
    """R4 asks it only of contained resources that have an id."""
    alone = [(number, each) for number, each in enumerate(contained) if each.get("id") not in asked | {None}]
    links = _links(resource) if alone else frozenset()
    for number, each in alone:
        if f"#{each['id']}" not in links and not _refers(each, "#"):
            yield f".contained[{number}]", _DOM_3


def _refers(node: Any, literal: str) -> bool:
    if node.__class__ is dict:
        return node.get("reference") == literal or any(_refers(child, literal) for child in node.values())
    return node.__class__ is list and any(_refers(child, literal) for child in node)


def _links(resource: Json) -> frozenset[str]:
    """Give every canonical, uri and url of the resource that leads to a part of it."""
    found = (placed.value for placed in walk(resource) if placed.type in _LINKS)
    return frozenset(link for link in found if link.startswith("#"))
