"""What an act of a Task brings into its own commit, written as a template in the workflow's file.

`{for}`, `{owner}`, `{requester}`, `{self}` are references, `{input:kind}` and `{output:kind}` what the newest of that kind names, `{value:kind}` the coded value of the
resource that an output names; `{today}` and `{today+24m}` are days, `{now}` the instant. A text that is one such place becomes what stands there; a property without any is left out.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from services.fhir.business import Context, Intent, created
from services.fhir.tasks.needs import of_kind
from services.fhir.tasks.table import Need, Workflow

Json = dict[str, Any]

_PLACE: Final = re.compile(r"\{([a-z]+)(?::([a-z-]+)|\+(\d+)([md]))?\}")
_NOTHING: Final = object()
_MONTHS: Final = 12


async def brought(workflow: Workflow, act: str, task: Json, context: Context) -> tuple[Intent, ...]:
    """The new resources, each with an id on the shard of the patient."""
    made = []
    for effect in workflow.effects:
        if effect.act == act:
            patient = str(task.get("for", {}).get("reference", "")).partition("Patient/")[2] or None
            values = await _values(_places(effect.resource), task, context)
            author = str(task.get(effect.author, {}).get("reference", "")).partition("Organization/")[2]
            made.append(created({**_filled(effect.resource, values), "id": context.new_id(patient)}, author))
    return tuple(made)


def _places(node: Any) -> Iterable[str]:
    if isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from _places(each)
    elif isinstance(node, str) and _PLACE.fullmatch(node):
        yield node


async def _values(places: Iterable[str], task: Json, context: Context) -> dict[str, Any]:
    return {place: await _value(place, task, context) for place in {*places}}


async def _value(place: str, task: Json, context: Context) -> Any:
    match = _PLACE.fullmatch(place)
    assert match is not None  # noqa: S101 - only those are asked for
    name, kind, number, unit = match.groups()
    now = context.at.astimezone(context.zone)
    if name == "now":
        return now.isoformat(timespec="seconds")
    if name == "today":
        return (_later(now.date(), int(number), unit) if number else now.date()).isoformat()
    if name == "self":
        return {"reference": f"Task/{task['id']}"}
    if name in ("input", "output", "value"):
        element = "input" if name == "input" else "output"
        named = [value for _, value in of_kind(task, Need(element=element, kind=kind))]
        if not named:
            return _NOTHING
        return await _coded(named[-1], context) if name == "value" else named[-1]
    return task.get(name, _NOTHING)


async def _coded(reference: Any, context: Context) -> Any:
    kind, _, resource_id = str(reference.get("reference", "")).partition("/")
    found = await context.read(kind, resource_id)
    return (found[0].get("valueCodeableConcept") if found else None) or _NOTHING


def _filled(node: Any, values: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        filled = {name: _filled(each, values) for name, each in node.items()}
        return {name: each for name, each in filled.items() if each is not _NOTHING}
    if isinstance(node, list):
        return [each for each in (_filled(each, values) for each in node) if each is not _NOTHING]
    return values.get(node, node) if isinstance(node, str) else node


def _later(day: date, number: int, unit: str) -> date:
    """So many days, or months less one day: 24 months from 1 May end on 30 April."""
    if unit == "d":
        return day + timedelta(days=number)
    months = day.year * _MONTHS + day.month - 1 + number
    first = date(months // _MONTHS, months % _MONTHS + 1, 1)
    return first + timedelta(days=day.day - 2)
