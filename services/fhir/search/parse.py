"""From the parameters of a search to a plain query: http://hl7.org/fhir/R4/http.html#search"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import parse_qsl

from services.fhir.search.controls import (
    parse_contained,
    parse_contained_type,
    parse_count,
    parse_elements,
    parse_sort,
    parse_summary,
    parse_total,
    view_of,
)
from services.fhir.search.criteria import Budget, Settings, parse_condition
from services.fhir.search.dates import default_zone
from services.fhir.search.includes import parse_include, parse_revinclude
from services.fhir.search.query import Condition, SearchQuery
from services.fhir.search.refusals import invalid, too_many, unknown, unsupported

MAX_PARAMETERS: Final = 100
MAX_VALUES_IN_ALL: Final = 1000  # a statement has 32,767 parameters at most, and a value takes up to five
DEFAULT_COUNT: Final = 50

_PASSED_OVER: Final = frozenset({"_format", "_pretty"})  # the rendering of the answer uses them
_SINGLE: Final = frozenset({"_count", "_total", "_summary", "_elements", "_contained", "_containedType", "_cursor"})
_INCLUDES: Final = frozenset({"_include", "_revinclude"})
_CONTROLS: Final = _PASSED_OVER | _SINGLE | _INCLUDES | {"_sort"}
_NOT_SUPPORTED: Final = frozenset({"_query", "_score", "_type"})

Item = tuple[str, str]


def parse_search(
    resource_type: str,
    items: Sequence[Item],
    *,
    now: datetime,
    strict: bool = False,
    base: str = "",
    zone: tzinfo | None = None,
    within: Condition | None = None,
) -> SearchQuery:
    """Raise FhirError 400 for what cannot be understood; an unknown parameter is refused only when `strict`.

    `items` are decoded name and value pairs in their order, of the URL and of a `_search` body together.
    `base` is this server's own FHIR base, `zone` that of dates without one (default Asia/Shanghai); `within` is the
    compartment that the path names.
    """
    used = _given(items)
    settings = _settings(now, base, zone)
    found, ignored = _conditions((resource_type,), used, settings, strict=strict)
    conditions = (*found[resource_type], *((within,) if within else ()))
    controls = _controls((resource_type,), used)
    return SearchQuery(
        resource_type,
        conditions,
        used=_used(used, ignored, controls),
        ignored=ignored,
        needs_codes=settings.budget.names_codes,
        **controls,
    )


def parse_system_search(
    types: Mapping[str, Condition | None],
    items: Sequence[Item],
    *,
    now: datetime,
    strict: bool = False,
    base: str = "",
    zone: tzinfo | None = None,
) -> SearchQuery:
    """Read a search over several types, by parameters that all of them have; each may have a compartment to lie in.

    http://hl7.org/fhir/R4/search.html#all
    """
    used = _given(items)
    criteria = [item for item in used if item[0] != "_type"]
    settings = _settings(now, base, zone, len(types))
    found, ignored = _conditions([*types], criteria, settings, strict=strict)
    conditions = {t: (*found[t], *((within,) if within else ())) for t, within in types.items()}
    controls = _controls([*types], criteria)
    return SearchQuery(
        "",
        types=tuple(conditions.items()),
        used=_used(used, ignored, controls),
        ignored=ignored,
        needs_codes=settings.budget.names_codes,
        **controls,
    )


def parse_criteria(
    resource_type: str, text: str, *, now: datetime, base: str = "", zone: tzinfo | None = None
) -> SearchQuery:
    """Read the criteria of a conditional interaction, still encoded: strictly, and as criteria alone.

    Nothing that is unknown, empty or about the answer may be passed over, for it would make the criteria mean more:
    http://hl7.org/fhir/R4/http.html#cond-update
    """
    if "%00" in text or "\0" in text:
        raise invalid("criteria", "U+0000 is no text", "条件含有空字符")
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
    query = parse_search(resource_type, items, now=now, strict=True, base=base, zone=zone)
    if query.needs_codes:
        raise unsupported("criteria", "a value set or a hierarchy is not a criterion", "条件中不能使用值集或层级")
    return query


def _given(items: Sequence[Item]) -> list[Item]:
    if len(items) > MAX_PARAMETERS:
        raise too_many("parameters", "参数", MAX_PARAMETERS)
    return [(name, value) for name, value in items if value]


def _settings(now: datetime, base: str, zone: tzinfo | None, types: int = 1) -> Settings:
    return Settings(base and base.rstrip("/") + "/", zone or default_zone(), now, Budget(types))


def _conditions(
    types: Sequence[str], used: Sequence[Item], settings: Settings, *, strict: bool
) -> tuple[dict[str, list[Condition]], tuple[str, ...]]:
    """A parameter counts when every type has it; the names of the others are told."""
    conditions: dict[str, list[Condition]] = {each: [] for each in types}
    ignored: dict[str, None] = {}
    for name, value in used:
        if _is_control(name):
            continue
        found = [parse_condition(each, name, value, settings) for each in types]
        if None not in found:
            for each, condition in zip(types, found, strict=True):
                conditions[each].append(condition)  # type: ignore[arg-type]  # none is lacking
        elif strict:
            raise unknown(name, types[found.index(None)])
        else:
            ignored[name] = None
    if settings.budget.values > MAX_VALUES_IN_ALL:
        raise too_many("values", "取值", MAX_VALUES_IN_ALL)
    return conditions, tuple(ignored)


def _used(items: Sequence[Item], ignored: Sequence[str], controls: Mapping[str, Any]) -> tuple[Item, ...]:
    """Say the count that was given, not the one that was asked for."""
    return tuple(
        ("_count", str(controls["count"])) if name == "_count" else (name, value)
        for name, value in items
        if name != "_cursor" and name not in ignored
    )


def _is_control(name: str) -> bool:
    """Tell parameters of the answer from criteria; refuse those that this server does not have, and their modifiers."""
    if not name.startswith("_"):
        return False
    code, colon, _ = name.partition(":")
    if code in _NOT_SUPPORTED:
        raise unsupported(name, "not supported here", "此处不支持该检索参数")
    if code not in _CONTROLS:
        return False
    if colon and code not in _INCLUDES:
        raise unsupported(name, "the modifier is not supported", "不支持该修饰符")
    return True


def _controls(types: Sequence[str], items: Sequence[Item]) -> dict[str, Any]:
    given: dict[str, list[Item]] = {}
    for item in items:
        if item[0].startswith("_"):
            given.setdefault(item[0].partition(":")[0], []).append(item)
    count = _single("_count", given, parse_count)
    summary = _single("_summary", given, parse_summary)
    controls = {
        "count": DEFAULT_COUNT if count is None else count,
        "only_count": summary == "count" or count == 0,
        "total": _single("_total", given, parse_total) or "none",
        "cursor": _single("_cursor", given, str),
        "sort": parse_sort(types, [text for _, text in given.get("_sort", ())]),
        "includes": _each(types, given.get("_include", ()), parse_include),
        "revincludes": _each(types, given.get("_revinclude", ()), parse_revinclude),
        "view": view_of(summary, _single("_elements", given, lambda text: parse_elements(types, text))),
    }
    if summary == "text" and (controls["includes"] or controls["revincludes"]):
        raise invalid("_summary", "text cannot be mixed with _include and _revinclude", "text 不能与 _include 同用")
    return controls | _contained(given)


def _contained(given: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
    """http://hl7.org/fhir/R4/search.html#contained"""
    contained = _single("_contained", given, parse_contained) or "false"
    told = _single("_containedType", given, parse_contained_type) or "container"
    return {"outside": contained != "true", "inside": None if contained == "false" else told}


def _each(
    types: Sequence[str], items: Iterable[Item], parse: Callable[[Sequence[str], str, str], Any]
) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(parse(types, name, text) for name, text in items))


def _single(name: str, given: Mapping[str, Sequence[Item]], parse: Callable[[str], Any]) -> Any:
    texts = {text for _, text in given.get(name, ())}
    if len(texts) > 1:
        raise invalid(name, "given twice with different values", "重复给出且取值不同")
    return parse(texts.pop()) if texts else None
