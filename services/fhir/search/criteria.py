"""One parameter of a search as a condition: http://hl7.org/fhir/R4/search.html#modifiers"""

from datetime import datetime, tzinfo
from typing import Final

import msgspec

from services.fhir.definitions import SearchParameter
from services.fhir.search.aliases import with_aliases
from services.fhir.search.chains import leads_on, parse_chain, parse_has
from services.fhir.search.composites import Component
from services.fhir.search.escapes import split, unescape
from services.fhir.search.filter import parse_filter
from services.fhir.search.filter_tests import Test, parse_leaf, parse_test
from services.fhir.search.fulltext import parse_text
from services.fhir.search.modifiers import parse_modified
from services.fhir.search.parameters import answered, composite_parameters
from services.fhir.search.query import CompositeValue, Condition, Has, Match, Missing, TokenValue, Value
from services.fhir.search.refusals import invalid, too_many, unsupported
from services.fhir.search.registry import is_being_indexed, search_parameters
from services.fhir.search.values import Reading, parse_value

MAX_VALUES: Final = 200
MAX_CONDITIONS: Final = 200
FOR_EACH_TYPE: Final = 10
MAX_DEPTH: Final = 10
_BY_TERMINOLOGY: Final = frozenset({"in", "not-in", "above", "below"})


class Budget:
    """How much one search asks for: each condition counts, for every type that a chain may lead to.

    `names_codes` tells that some condition names a value set or a place in a code system.
    """

    __slots__ = ("conditions", "names_codes", "values")

    def __init__(self, types: int = 1) -> None:
        self.conditions = MAX_CONDITIONS + (types - 1) * FOR_EACH_TYPE
        self.values = 0
        self.names_codes = False

    def note(self, match: Match) -> Match:
        self.values += len(match.values)
        self.names_codes |= match.type == "token" and match.modifier in _BY_TERMINOLOGY
        return match

    def spend(self) -> None:
        self.conditions -= 1
        if self.conditions < 0:
            raise too_many(
                "conditions; name the types of chained references", "条件；请在链式引用中注明类型", MAX_CONDITIONS
            )


class Settings(msgspec.Struct, frozen=True):
    """What values are read with: the own base ("" or ending with "/"), the zone of dates without one, the time for `ap`."""

    base: str
    zone: tzinfo
    now: datetime
    budget: Budget


def parse_condition(  # noqa: PLR0911 - one for each kind
    resource_type: str, name: str, text: str, settings: Settings, depth: int = 0
) -> Condition | None:
    """Give None for a parameter that the type does not have; raise FhirError 400 for a modifier or value it cannot take."""
    settings.budget.spend()
    if leads_on(name):
        if depth == MAX_DEPTH:
            raise too_many("steps in one chain", "级链式引用", MAX_DEPTH)
        parse = parse_has if name.startswith("_has:") else parse_chain
        return parse(resource_type, name, lambda kind, rest: parse_condition(kind, rest, text, settings, depth + 1))
    code, colon, modifier = name.partition(":")
    parameter = search_parameters(resource_type).get(code)
    if parameter is None:
        return _unknown(resource_type, name, text)
    if name == "_filter":
        return _filter(resource_type, text, settings, depth)
    if code not in answered(resource_type):
        return _unindexed(name, parameter, text)
    if modifier == "missing" and parameter.type != "composite":
        return Missing(code, parameter.type, _boolean(name, text))
    reading = Reading(name, resource_type, parameter, None, settings.base, settings.zone, settings.now)
    if colon:
        return settings.budget.note(parse_modified(reading, modifier, _alternatives(name, text)))
    values = _values(parameter, _alternatives(name, text), reading)
    return settings.budget.note(Match(code, parameter.type, None, values))


def _values(parameter: SearchParameter, texts: list[str], reading: Reading) -> tuple[Value, ...]:
    if parameter.type != "composite":
        return with_aliases(tuple([parse_value(each, reading) for each in texts]), reading)
    components = composite_parameters(reading.resource_type)[parameter]
    return tuple([_composite(each, components, reading) for each in texts])


def _unindexed(name: str, parameter: SearchParameter, text: str) -> Condition:
    """What no element answers: the words of the whole resource, for one."""
    if name in ("_text", "_content"):
        return Match(name, "text", None, tuple(parse_text(name, unescape(part)) for part in _alternatives(name, text)))
    raise unsupported(name, f"{parameter.type} parameters like this are not supported", "不支持该检索参数或其修饰符")


def _filter(resource_type: str, text: str, settings: Settings, depth: int) -> Condition | None:
    def leaf(kind: str, code: str, test: Test) -> Condition | None:
        settings.budget.spend()
        parameter = search_parameters(kind).get(code)
        if parameter is None or code not in answered(kind):
            return None
        if parameter.type == "composite" and test.operator == "eq":
            return parse_condition(kind, code, test.value, settings, depth)
        reading = Reading("_filter", kind, parameter, None, settings.base, settings.zone, settings.now)
        found = parse_leaf(test, reading)
        return settings.budget.note(found) if isinstance(found, Match) else found

    return parse_filter(text, lambda test: parse_test(resource_type, test, leaf, parse_chain))


def _unknown(resource_type: str, name: str, text: str) -> Condition | None:
    if is_being_indexed(resource_type, name.partition(":")[0]):
        raise unsupported(name, "still being indexed; see its $index-status", "正在建立索引，请查看其 $index-status")
    return _list(name, text) if name == "_list" else None


def _list(name: str, text: str) -> Condition:
    """http://hl7.org/fhir/R4/search.html#list: what the entries of a stored List name."""
    if text.startswith("$"):
        raise unsupported(
            name, "functional lists are not supported; give the id of a List", "不支持功能列表，请给出 List 的编号"
        )
    ids = tuple(TokenValue(None, each.removeprefix("List/")) for each in _alternatives(name, text))
    return Has("List", "item", Match("_id", "token", None, ids))


def _composite(text: str, components: tuple[Component, ...], reading: Reading) -> CompositeValue:
    parts = split(text, "$")
    if len(parts) != len(components) or not all(parts):
        raise invalid(
            reading.name,
            f"the value is {len(components)} values joined by $",
            f"取值应为以 $ 连接的 {len(components)} 个值",
        )
    values = tuple(_part(part, each.parameter, reading) for part, each in zip(parts, components, strict=True))
    first = components[0].parameter
    narrow = first.code if values[0][0] in ("token", "reference", "uri") and first.expression else None
    return CompositeValue(values, narrow)


def _part(text: str, parameter: SearchParameter, reading: Reading) -> tuple[str, Value]:
    return parameter.type, parse_value(text, msgspec.structs.replace(reading, parameter=parameter))


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
