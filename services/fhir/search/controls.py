"""The parameters that shape the answer: http://hl7.org/fhir/R4/search.html#return"""

from collections.abc import Iterable
from typing import Final, Literal, cast

from services.fhir.definitions import SearchParameter, resource_types, search_parameters
from services.fhir.search.query import Include, SortKey
from services.fhir.search.refusals import invalid, too_many, unsupported
from services.fhir.search.targets import reference_targets

MAX_COUNT: Final = 1000
MAX_SORT_KEYS: Final = 20
Total = Literal["none", "estimate", "accurate"]

_MAX_DIGITS: Final = 9
_UNSORTABLE: Final = frozenset({"composite", "special"})
_PARTS_OF_AN_INCLUDE: Final = (2, 3)


def parse_count(text: str) -> int:
    """A page has `MAX_COUNT` resources at most, whatever was asked."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise invalid("_count", "not a number of resources", "应为非负整数")
    return min(int(text), MAX_COUNT)


def parse_total(text: str) -> Total:
    if text not in ("none", "estimate", "accurate"):
        raise invalid("_total", "the value is none, estimate or accurate", "取值应为 none、estimate 或 accurate")
    return cast("Total", text)


def parse_summary(text: str) -> bool:
    """Tell whether only the count is wanted."""
    if text in ("true", "text", "data"):
        raise unsupported("_summary", "only count and false are supported", "暂只支持 count 和 false")
    if text not in ("count", "false"):
        raise invalid("_summary", "the value is count or false", "取值应为 count 或 false")
    return text == "count"


def parse_sort(resource_type: str, texts: Iterable[str]) -> tuple[SortKey, ...]:
    """A parameter sorts where it is named first: no two rows that it tells apart are left to a later mention."""
    keys = [key for text in texts for key in text.split(",") if key]
    if len(keys) > MAX_SORT_KEYS:
        raise too_many("sort keys", "排序字段", MAX_SORT_KEYS)
    by_parameter: dict[str, SortKey] = {}
    for key in (_sort_key(resource_type, each) for each in keys):
        by_parameter.setdefault(key.parameter, key)
    return tuple(by_parameter.values())


def _sort_key(resource_type: str, key: str) -> SortKey:
    parameter = search_parameters(resource_type).get(key.removeprefix("-"))
    if parameter is None:
        raise invalid("_sort", f"not a search parameter of {resource_type}", f"排序字段不是 {resource_type} 的检索参数")
    if parameter.type in _UNSORTABLE or not parameter.expression:
        raise unsupported("_sort", f"{parameter.type} parameters have no order", "不支持按该参数排序")
    return SortKey(parameter.code, parameter.type, key.startswith("-"))


def parse_include(resource_type: str, text: str) -> Include:
    """`Observation:subject` or `Observation:subject:Patient`: what the matches refer to."""
    source, parameter, targets = _references("_include", text)
    if source != resource_type:
        raise invalid(
            "_include", f"the matches are {resource_type}, not what it starts from", f"应以 {resource_type} 开头"
        )
    return Include(source, parameter.code, targets)


def parse_revinclude(resource_type: str, text: str) -> Include:
    """`Provenance:target`: what refers to the matches."""
    source, parameter, targets = _references("_revinclude", text)
    if resource_type not in targets:
        raise invalid(
            "_revinclude", f"the reference never points to {resource_type}", f"该引用不会指向 {resource_type}"
        )
    return Include(source, parameter.code, (resource_type,))


def _references(name: str, text: str) -> tuple[str, SearchParameter, tuple[str, ...]]:
    parts = text.split(":")
    if "*" in parts:
        raise unsupported(name, "* is not supported", "暂不支持 *")
    if len(parts) not in _PARTS_OF_AN_INCLUDE or parts[0] not in resource_types():
        raise invalid(
            name, "the value is Type:parameter or Type:parameter:Target", "格式应为 类型:参数 或 类型:参数:目标类型"
        )
    parameter = search_parameters(parts[0]).get(parts[1])
    if parameter is None or parameter.type != "reference":
        raise invalid(name, f"not a reference parameter of {parts[0]}", f"不是 {parts[0]} 的引用参数")
    targets = reference_targets(parts[0], parameter)
    if parts[2:] and parts[2] not in targets:
        raise invalid(name, "the reference never points to this target", "该引用不会指向此目标类型")
    return parts[0], parameter, tuple(parts[2:]) or targets
