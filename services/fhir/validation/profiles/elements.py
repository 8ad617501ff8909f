"""Elements as a profile narrows them, as closures over values that R4 itself accepts: http://hl7.org/fhir/R4/profiling.html"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from services.fhir.definitions import Element, type_definition
from services.fhir.validation.primitives import PRIMITIVES, Check
from services.fhir.validation.problems import Findings
from services.fhir.validation.profiles.shipped import shipped_profile
from services.fhir.validation.profiles.slices import sorting
from services.fhir.validation.profiles.tree import Node, tree
from services.fhir.validation.profiles.values import value_checks
from services.fhir.validation.profiles.words import Profile, named

Read = Callable[[Any], tuple[int, Findings]]
"""Counts the values of an element in the object that holds it, and tells what is wrong with them."""
Limit = Callable[[int], Findings]

_NOTHING: tuple[int, Findings] = (0, ())


def object_checks(node: Node, type_: str, profile: Profile) -> Iterator[Check]:
    """Give the checks of an object: of itself, of what it holds, and of the profiles that are asked of it."""
    yield from value_checks(node, type_, profile)
    for url in (url for each in node.definition.get("type", ()) for url in each.get("profile", ())):
        if (asked := shipped_profile(url)) is not None:
            yield from object_checks(tree(asked), type_, named(asked))
    if type_ not in PRIMITIVES:
        for child in node.children.values():
            yield from _element(child, type_, profile)


def all_of(checks: Iterable[Check]) -> Check | None:
    several = [*checks]
    if len(several) <= 1:
        return several[0] if several else None
    return lambda value: tuple([finding for check in several for finding in check(value)])


def _element(node: Node, parent: str, profile: Profile) -> Iterator[Check]:
    """Check an element in the object that holds it: each of its values, how many there are, and its slices."""
    element = type_definition(parent).elements[node.name]
    reads, limit = [*_reads(node, element, profile)], _limit(node, node.name, node.name, profile)
    if len(reads) == 1:
        yield _counted(reads[0], limit)
    else:
        yield _counted(lambda value: _sum(read(value) for read in reads), limit)
    if node.slices:
        yield _slices(node, element, profile)


def _counted(read: Read, limit: Limit | None) -> Check:
    if limit is None:
        return lambda value: read(value)[1]

    def check(value: Any) -> Findings:
        count, findings = read(value)
        return findings + limit(count)

    return check


def _sum(several: Iterable[tuple[int, Findings]]) -> tuple[int, Findings]:
    counts = [each for each in several if each[0]]
    return sum(count for count, _ in counts), tuple(finding for _, found in counts for finding in found)


def _reads(node: Node, element: Element, profile: Profile) -> Iterator[Read]:
    """Give one for each JSON property that the element may stand in; a profile allows fewer types than R4."""
    allowed = {type_["code"] for type_ in node.definition.get("type", ())} or {*element.types}
    not_allowed: Findings = (("", profile.problem("value", "this type is not allowed here", "此处不允许使用该类型")),)
    for type_ in element.types:
        name = element.name + type_[0].upper() + type_[1:] if element.choice else element.name
        check = all_of(object_checks(node, type_, profile)) if type_ in allowed else lambda _: not_allowed
        children = node.children.values() if type_ in PRIMITIVES else ()
        beside = all_of(check for child in children for check in _element(child, "string", profile))
        yield _read(name, f".{node.name}", check, beside)


def _read(name: str, place: str, check: Check | None, check_beside: Check | None) -> Read:
    """Read a property; a value with only an extension counts, and what a profile asks of extensions is asked of that."""
    beside = f"_{name}"

    def read(value: Any) -> tuple[int, Findings]:
        found = value.get(name)
        if found.__class__ is list:
            return len(found), _under(((f"{place}[{n}]", each) for n, each in enumerate(found)), check)
        if found is None and beside not in value:
            return _NOTHING
        findings = _under(((place, found),), check)
        return 1, findings + _under(((place, value.get(beside, {})),), check_beside)

    return read


def _under(items: Iterable[tuple[str, Any]], check: Check | None) -> Findings:
    if check is None:
        return ()
    return tuple(
        [(place + path, problem) for place, item in items if item is not None for path, problem in check(item)]
    )


def _slices(node: Node, element: Element, profile: Profile) -> Check:
    """Check the items of each slice, and how many there are."""
    (type_,) = element.types
    name, place, sort = node.name, f".{node.name}", sorting(node)
    checks = {key: all_of(object_checks(each, type_, profile)) for key, each in node.slices.items()}
    limited = {key: _limit(each, name, f"{name}:{key}", profile) for key, each in node.slices.items()}
    limits = [(key, limit) for key, limit in limited.items() if limit is not None]

    def check(value: Any) -> Findings:
        counts: Counter[str] = Counter()
        findings: Findings = ()
        for number, item in enumerate(value.get(name, ())):
            for slice_ in sort(item):
                counts[slice_] += 1
                findings += _under(((f"{place}[{number}]", item),), checks[slice_])
        for slice_, limit in limits:
            findings += limit(counts[slice_])
        return findings

    return check


def _limit(node: Node, name: str, shown: str, profile: Profile) -> Limit | None:
    least, most = node.definition.get("min", 0), node.definition.get("max", "*")
    if least == 0 and most == "*":
        return None
    limit = float("inf") if most == "*" else int(most)
    too_few = (
        (f".{name}", profile.problem("required", f"at least {least} of {shown}", f"{shown} 至少要有 {least} 项")),
    )
    too_many = ((f".{name}", profile.problem("invariant", f"at most {most} of {shown}", f"{shown} 最多 {most} 项")),)
    return lambda count: too_few if count < least else too_many if count > limit else ()
