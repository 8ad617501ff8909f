"""What another author has changed of a plan meanwhile, element by element, for who comes second: http://hl7.org/fhir/R4/http.html#concurrency

Codes, days, numbers and references are told as they were and are. Anything else is not, for it may name a person: that it differs is said.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from services.fhir.outcomes import Issue

Json = dict[str, Any]

MOST: Final = 30
_PASSED_OVER: Final = frozenset({"meta", "text", "resourceType", "id", "contained", "implicitRules"})
_TELLING: Final = frozenset(
    {
        "code", "reference", "status", "intent", "kind", "start", "end", "created", "dueDate", "doNotPerform",
        "frequency", "frequencyMax", "period", "periodMax", "periodUnit", "duration", "durationUnit", "count", "comparator",
        "valueDate", "valueCode", "valueBoolean", "valueInteger",
    }
)  # fmt: skip
_OF_PERSONS: Final = frozenset(
    {
        "identifier",
        "telecom",
        "name",
        "address",
        "valueIdentifier",
        "valueContactPoint",
        "valueHumanName",
        "valueAddress",
    }
)
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
    """What can be told of it: only what is a code, a day, a number or a reference, and nothing of persons, wherever it stands."""
    steps = [step.partition("[")[0] for step in path.split(".")]
    if not _OF_PERSONS.isdisjoint(steps):
        return ""
    told = [_told(steps[-1], each) for each in (was, is_)]
    return f"（{told[0] or '—'} → {told[1] or '—'}）" if any(told) else ""


def _told(name: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = (_told(each, inside) for each, inside in value.items() if each not in _OF_PERSONS)
        return " ".join(filter(None, inner))
    if isinstance(value, list):
        return " ".join(filter(None, (_told(name, each) for each in value)))
    is_number = name == "value" and isinstance(value, int | float | Decimal)
    return str(value).rpartition("/fhir/")[2] if is_number or (name in _TELLING and value is not None) else ""


def _name(path: str) -> str:
    """`CarePlan.activity[1].detail.status` → 活动 2 detail.status"""
    first, _, rest = path.partition(".")[2].partition(".")
    element, _, place = first.partition("[")
    number = f" {int(place.rstrip(']')) + 1}" if place else ""
    last = rest.rpartition(".")[2]
    return f"{_NAMES.get(element, element)}{number}{' ' + _NAMES.get(last, last) if last else ''}"
