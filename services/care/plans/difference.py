"""What another author has changed of a plan meanwhile, element by element, for who comes second: http://hl7.org/fhir/R4/http.html#concurrency

Codes, days, numbers and references are told as they were and are. Free words are not, for they may name a person: that they differ is said.
"""

from collections.abc import Iterator
from typing import Any, Final

from services.fhir.outcomes import Issue

Json = dict[str, Any]

MOST: Final = 30
_PASSED_OVER: Final = frozenset({"meta", "text", "resourceType", "id", "contained", "implicitRules"})
_WORDS: Final = frozenset({"title", "description", "text", "display", "valueString", "div", "note", "progress"})
_NAMES: Final = {
    "status": "状态",
    "intent": "性质",
    "category": "类别",
    "title": "名称",
    "description": "说明",
    "subject": "老人",
    "period": "期限",
    "author": "作者",
    "careTeam": "照护团队",
    "addresses": "针对问题",
    "supportingInfo": "依据",
    "goal": "目标",
    "activity": "活动",
    "extension": "扩展（复核日期等）",
    "basedOn": "依据的计划",
    "replaces": "替代的计划",
    "encounter": "就诊",
    "note": "备注",
}


def differences(base: Json | None, now: Json, sent: Json | None) -> tuple[Issue, ...]:
    """`base` is the version that the change was made of, where it is known; `sent` what was to be written."""
    before = base if base is not None else sent or {}
    found = [*_changed("CarePlan", before, now, _PASSED_OVER)]
    mine = {path for path, _, _ in _changed("CarePlan", before, sent, _PASSED_OVER)} if base and sent else set()
    issues = tuple(_issue(path, was, is_, is_mine=path in mine) for path, was, is_ in found[:MOST])
    if len(found) > MOST:
        issues += (
            Issue(
                "information",
                "conflict",
                f"and {len(found) - MOST} more",
                f"另有 {len(found) - MOST} 处不同 · and {len(found) - MOST} more",
            ),
        )
    return issues


def _changed(path: str, was: Any, is_: Any, but: frozenset[str] = frozenset()) -> Iterator[tuple[str, Any, Any]]:
    """The smallest elements that differ; an activity is known by its place."""
    if isinstance(was, dict) and isinstance(is_, dict):
        for name in [*was, *(name for name in is_ if name not in was)]:
            if name not in but:
                yield from _changed(f"{path}.{name}", was.get(name), is_.get(name))
    elif isinstance(was, list) and isinstance(is_, list):
        for n in range(max(len(was), len(is_))):
            before, after = (each[n] if n < len(each) else None for each in (was, is_))
            yield from _changed(f"{path}[{n}]", before, after)
    elif was != is_:
        yield path, was, is_


def _issue(path: str, was: Any, is_: Any, *, is_mine: bool) -> Issue:
    kind = ("added", "新增") if was is None else ("removed", "删除") if is_ is None else ("changed", "修改")
    values = _values(path, was, is_)
    both = ("；您也修改了此处", "; you have changed it too") if is_mine else ("", "")
    return Issue(
        "information",
        "conflict",
        f"{path} was {kind[0]} meanwhile{both[1]}",
        f"{_name(path)}：他人已{kind[1]}{values}{both[0]} · {kind[0]} meanwhile{values}{both[1]}",
        (path,),
    )


def _values(path: str, was: Any, is_: Any) -> str:
    """What can be told of it: words are left out, wherever they stand."""
    if path.rpartition(".")[2].partition("[")[0] in _WORDS:
        return ""
    told = [_told(each) for each in (was, is_)]
    return f"（{told[0] or '—'} → {told[1] or '—'}）" if any(told) else ""


def _told(value: Any) -> str:
    if isinstance(value, dict):
        inner = (_told(each) for name, each in value.items() if name not in _WORDS)
        return " ".join(each for each in inner if each)
    if isinstance(value, list):
        return " ".join(filter(None, map(_told, value)))
    return "" if value is None else str(value).rpartition("/fhir/")[2]


def _name(path: str) -> str:
    """`CarePlan.activity[1].detail.status` → 活动 2 detail.status"""
    first, _, rest = path.partition(".")[2].partition(".")
    element, _, place = first.partition("[")
    number = f" {int(place.rstrip(']')) + 1}" if place else ""
    last = rest.rpartition(".")[2]
    return f"{_NAMES.get(element, element)}{number}{' ' + _NAMES.get(last, last) if last else ''}"
