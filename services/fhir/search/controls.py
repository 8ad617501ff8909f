"""The parameters that shape the answer: http://hl7.org/fhir/R4/search.html#return"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, cast

from services.fhir.definitions import type_definition
from services.fhir.search.query import SortKey, View
from services.fhir.search.refusals import invalid, too_many, unsupported
from services.fhir.search.registry import search_parameters

MAX_COUNT: Final = 1000
MAX_SORT_KEYS: Final = 20
Total = Literal["none", "estimate", "accurate"]

_MAX_DIGITS: Final = 9
_UNSORTABLE: Final = frozenset({"composite", "special"})
_SUMMARIES: Final = ("true", "text", "data", "count", "false")


def parse_count(text: str) -> int:
    """A page has `MAX_COUNT` resources at most, whatever was asked."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise invalid("_count", "not a number of resources", "应为非负整数")
    return min(int(text), MAX_COUNT)


def parse_total(text: str) -> Total:
    if text not in ("none", "estimate", "accurate"):
        raise invalid("_total", "the value is none, estimate or accurate", "取值应为 none、estimate 或 accurate")
    return cast("Total", text)


def parse_summary(text: str) -> str:
    if text not in _SUMMARIES:
        raise invalid("_summary", f"the value is one of {', '.join(_SUMMARIES)}", f"取值应为 {'、'.join(_SUMMARIES)}")
    return text


def parse_elements(resource_types: Iterable[str], text: str) -> frozenset[str]:
    """Elements at the root of the resource, by their name in R4: `value` stands for each `value[x]`."""
    names = frozenset(name.removesuffix("[x]") for name in text.split(",") if name)
    known = frozenset({"resourceType"}).union(
        *(type_definition(t).elements for t in resource_types)
    )  # fhirpy names it too
    if not names or not names <= known:
        raise invalid("_elements", "names of elements at the root of the resource", "应为资源的顶层元素名称")
    return names


def view_of(summary: str | None, elements: frozenset[str] | None) -> View | None:
    if summary in ("true", "text", "data"):
        return View(summary=cast("Any", summary))
    return View(elements=elements) if elements else None


def parse_contained(text: str) -> str:
    if text not in ("true", "false", "both"):
        raise invalid("_contained", "the value is true, false or both", "取值应为 true、false 或 both")
    return text


def parse_contained_type(text: str) -> str:
    if text not in ("container", "contained"):
        raise invalid("_containedType", "the value is container or contained", "取值应为 container 或 contained")
    return text


def parse_sort(resource_types: Sequence[str], texts: Iterable[str]) -> tuple[SortKey, ...]:
    """A parameter sorts where it is named first: no two rows that it tells apart are left to a later mention."""
    keys = [key for text in texts for key in text.split(",") if key]
    if len(keys) > MAX_SORT_KEYS:
        raise too_many("sort keys", "排序字段", MAX_SORT_KEYS)
    by_parameter: dict[str, SortKey] = {}
    for key in keys:
        found = {_sort_key(each, key) for each in resource_types}
        if len(found) > 1:
            raise unsupported("_sort", "the types do not sort alike by it", "各资源类型的该排序字段类型不一致")
        by_parameter.setdefault(key.removeprefix("-"), found.pop())
    return tuple(by_parameter.values())


def _sort_key(resource_type: str, key: str) -> SortKey:
    parameter = search_parameters(resource_type).get(key.removeprefix("-"))
    if parameter is None:
        raise invalid("_sort", f"not a search parameter of {resource_type}", f"排序字段不是 {resource_type} 的检索参数")
    if parameter.type in _UNSORTABLE or not parameter.expression:
        raise unsupported("_sort", f"{parameter.type} parameters have no order", "不支持按该参数排序")
    return SortKey(parameter.code, parameter.type, key.startswith("-"))
