"""From the parameters of a search to a plain query: http://hl7.org/fhir/R4/http.html#search"""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from services.fhir.search.controls import (
    parse_count,
    parse_include,
    parse_revinclude,
    parse_sort,
    parse_summary,
    parse_total,
)
from services.fhir.search.criteria import Settings, parse_condition
from services.fhir.search.dates import default_zone
from services.fhir.search.query import Condition, Match, SearchQuery
from services.fhir.search.refusals import invalid, too_many, unknown, unsupported

MAX_PARAMETERS: Final = 100
MAX_VALUES_IN_ALL: Final = 1000  # a statement has 32,767 parameters at most, and a value takes up to five
DEFAULT_COUNT: Final = 50

_PASSED_OVER: Final = frozenset({"_format", "_pretty"})  # the rendering of the answer uses them
_SINGLE: Final = frozenset({"_count", "_total", "_summary", "_cursor"})
_REPEATING: Final = frozenset({"_sort", "_include", "_revinclude"})
_NOT_SUPPORTED: Final = frozenset(
    {"_contained", "_containedType", "_content", "_elements", "_filter", "_has", "_list", "_query", "_score", "_text", "_type"}
)  # fmt: skip

Item = tuple[str, str]


def parse_search(
    resource_type: str,
    items: Sequence[Item],
    *,
    now: datetime,
    strict: bool = False,
    base: str = "",
    zone: tzinfo | None = None,
) -> SearchQuery:
    """Raise FhirError 400 for what cannot be understood; an unknown parameter is refused only when `strict`.

    `items` are decoded name and value pairs in their order, of the URL and of a `_search` body together.
    `base` is this server's own FHIR base, `zone` that of dates without one (default Asia/Shanghai).
    """
    if len(items) > MAX_PARAMETERS:
        raise too_many("parameters", "参数", MAX_PARAMETERS)
    used = [(name, value) for name, value in items if value]
    settings = Settings(base and base.rstrip("/") + "/", zone or default_zone(), now)
    conditions: list[Condition] = []
    ignored: list[str] = []
    for name, value in used:
        if _is_control(name):
            continue
        condition = parse_condition(resource_type, name, value, settings)
        if condition is not None:
            conditions.append(condition)
        elif strict:
            raise unknown(name, resource_type)
        else:
            ignored.append(name)
    if sum(len(each.values) for each in conditions if isinstance(each, Match)) > MAX_VALUES_IN_ALL:
        raise too_many("values", "取值", MAX_VALUES_IN_ALL)
    controls = _controls(resource_type, used)
    return SearchQuery(
        resource_type,
        tuple(conditions),
        used=tuple(_as_used(item, controls) for item in used if item[0] not in {*ignored, "_cursor"}),
        ignored=tuple(dict.fromkeys(ignored)),
        **controls,
    )


def parse_criteria(
    resource_type: str, text: str, *, now: datetime, base: str = "", zone: tzinfo | None = None
) -> SearchQuery:
    """Read the criteria of a conditional interaction, still encoded: strictly, and as criteria alone.

    Nothing that is unknown, empty or about the answer may be passed over, for it would make the criteria mean more:
    http://hl7.org/fhir/R4/http.html#cond-update
    """
    try:
        items = parse_qsl(
            text.removeprefix("?"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:
        raise invalid("criteria", "not UTF-8 form encoding, or too many", "条件编码有误或过多") from error
    if not items:
        raise invalid("criteria", "there are none", "缺少条件")
    for name, value in items:
        if not value:
            raise invalid(name, "a criterion needs a value", "条件缺少取值")
        if _is_control(name):
            raise unsupported(name, "not a criterion", "不能作为条件")
    return parse_search(resource_type, items, now=now, strict=True, base=base, zone=zone)


def _as_used(item: Item, controls: dict[str, Any]) -> Item:
    """Say the count that was given, not the one that was asked for."""
    return ("_count", str(controls["count"])) if item[0] == "_count" else item


def _is_control(name: str) -> bool:
    """Tell parameters of the answer from criteria; refuse those of R4 that are not there yet, and their modifiers."""
    code, colon, _ = name.partition(":")
    if code in _NOT_SUPPORTED or "." in name:
        raise unsupported(name, "not supported by this server", "本服务器暂不支持该检索参数")
    if code not in _PASSED_OVER | _SINGLE | _REPEATING:
        return False
    if colon:
        raise unsupported(name, "the modifier is not supported", "不支持该修饰符")
    return True


def _controls(resource_type: str, items: Sequence[Item]) -> dict[str, Any]:
    count = _single("_count", items, parse_count)
    return {
        "count": DEFAULT_COUNT if count is None else count,
        "only_count": bool(_single("_summary", items, parse_summary)) or count == 0,
        "total": _single("_total", items, parse_total) or "none",
        "cursor": _single("_cursor", items, str),
        "sort": parse_sort(resource_type, _all("_sort", items)),
        "includes": _each("_include", items, partial(parse_include, resource_type)),
        "revincludes": _each("_revinclude", items, partial(parse_revinclude, resource_type)),
    }


def _all(name: str, items: Sequence[Item]) -> list[str]:
    return [value for each, value in items if each == name]


def _each(name: str, items: Sequence[Item], parse: Callable[[str], Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(parse(text) for text in _all(name, items)))


def _single(name: str, items: Sequence[Item], parse: Callable[[str], Any]) -> Any:
    texts = {*_all(name, items)}
    if len(texts) > 1:
        raise invalid(name, "given twice with different values", "重复给出且取值不同")
    return parse(texts.pop()) if texts else None
