"""What an answer brings along: http://hl7.org/fhir/R4/search.html#revinclude"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.fhir.definitions import SearchParameter, resource_types
from services.fhir.search.query import Include
from services.fhir.search.refusals import invalid, unsupported
from services.fhir.search.registry import search_parameters
from services.fhir.search.targets import reference_targets

ANY: Final = "*"
_MAX_PARTS: Final = 3


def parse_include(matched: Sequence[str], name: str, text: str) -> Include:
    """`Observation:subject`, `Observation:subject:Patient`, `Observation:*` or `*`: what the matches refer to."""
    iterate = _iterates(name)
    include = _include("_include", text, iterate=iterate)
    if not iterate and include.source not in (ANY, *matched):
        raise invalid(
            "_include", f"the matches are {', '.join(matched)}, not what it starts from", f"应以 {matched[0]} 开头"
        )
    return include


def parse_revinclude(matched: Sequence[str], name: str, text: str) -> Include:
    """`Provenance:target`, `Provenance:*` or `*`: what refers to the matches."""
    iterate = _iterates(name)
    include = _include("_revinclude", text, iterate=iterate)
    if iterate or not include.targets:
        return include
    reached = tuple(each for each in include.targets if each in matched)
    if not reached:
        raise invalid("_revinclude", f"the reference never points to {matched[0]}", f"该引用不会指向 {matched[0]}")
    return msgspec.structs.replace(include, targets=reached)


def _iterates(name: str) -> bool:
    base, colon, modifier = name.partition(":")
    if colon and modifier != "iterate":
        raise unsupported(base, "the modifier is not supported", "不支持该修饰符")
    return bool(colon)


def _include(name: str, text: str, *, iterate: bool) -> Include:
    if text == ANY:
        return Include(ANY, ANY, (), iterate)
    parts = text.split(":")
    if not 1 < len(parts) <= _MAX_PARTS or parts[0] not in resource_types():
        raise invalid(
            name, "the value is Type:parameter or Type:parameter:Target", "格式应为 类型:参数 或 类型:参数:目标类型"
        )
    if parts[1] == ANY:
        return Include(parts[0], ANY, tuple(parts[2:]), iterate)
    targets = reference_targets(parts[0], _reference(name, parts[0], parts[1]))
    if parts[2:] and parts[2] not in targets:
        raise invalid(name, "the reference never points to this target", "该引用不会指向此目标类型")
    return Include(parts[0], parts[1], tuple(parts[2:]) or targets, iterate)


def _reference(name: str, source: str, code: str) -> SearchParameter:
    parameter = search_parameters(source).get(code)
    if parameter is None or parameter.type != "reference":
        raise invalid(name, f"not a reference parameter of {source}", f"不是 {source} 的引用参数")
    return parameter
