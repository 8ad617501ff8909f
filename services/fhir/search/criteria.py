"""One parameter of a search as a condition: http://hl7.org/fhir/R4/search.html#modifiers"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final, Literal, cast

import msgspec

from services.fhir.definitions import SearchParameter, resource_types, search_parameters
from services.fhir.search.escapes import split
from services.fhir.search.query import Condition, Match, Missing
from services.fhir.search.refusals import invalid, too_many, unsupported
from services.fhir.search.targets import reference_targets
from services.fhir.search.values import Reading, parse_value

MAX_VALUES: Final = 200
_MODIFIERS: Mapping[str, frozenset[str]] = {"string": frozenset({"exact", "contains"}), "token": frozenset({"not"})}
_LATER: Final = frozenset({"composite", "special"})


class Settings(msgspec.Struct, frozen=True):
    """What values are read with: the own base ("" or ending with "/"), the zone of dates without one, the time for `ap`."""

    base: str
    zone: tzinfo
    now: datetime


def parse_condition(resource_type: str, name: str, text: str, settings: Settings) -> Condition | None:
    """Give None for a parameter that the type does not have; raise FhirError 400 for a modifier or value it cannot take."""
    code, colon, modifier = name.partition(":")
    parameter = search_parameters(resource_type).get(code)
    if parameter is None:
        return None
    if parameter.type in _LATER or not parameter.expression:
        raise unsupported(name, f"{parameter.type} parameters are not supported", "暂不支持该检索参数")
    if modifier == "missing":
        return Missing(code, parameter.type, _boolean(name, text))
    target = _checked_modifier(resource_type, name, parameter, modifier) if colon else None
    reading = Reading(name, resource_type, parameter, target, settings.base, settings.zone, settings.now)
    kept = None if target else modifier or None
    values = tuple(parse_value(part, reading) for part in _alternatives(name, text))
    return Match(code, parameter.type, cast("Literal['exact', 'contains', 'not'] | None", kept), values)


def _checked_modifier(resource_type: str, name: str, parameter: SearchParameter, modifier: str) -> str | None:
    """Give the target type of `:Patient`, None for another modifier that is understood."""
    if modifier in _MODIFIERS.get(parameter.type, ()) and parameter.code != "_id":
        return None
    if parameter.type == "reference" and modifier in resource_types():
        if modifier not in reference_targets(resource_type, parameter):
            raise invalid(name, f"the reference never points to {modifier}", "该引用不会指向此资源类型")
        return modifier
    raise unsupported(name, "the modifier is not supported", "不支持该修饰符")


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise invalid(name, "the value is true or false", "取值应为 true 或 false")
    return text == "true"


def _alternatives(name: str, text: str) -> list[str]:
    """Split at commas; an empty alternative says nothing."""
    parts = [part for part in split(text, ",") if part]
    if len(parts) > MAX_VALUES:
        raise too_many("values of one parameter", "并列取值", MAX_VALUES)
    if not parts:
        raise invalid(name, "there is no value between the commas", "缺少取值")
    return parts
