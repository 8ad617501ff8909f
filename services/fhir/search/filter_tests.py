"""One test of a `_filter` as a condition: http://hl7.org/fhir/R4/search_filter.html#ops"""

import re
from collections.abc import Callable, Mapping
from typing import Final, cast

import msgspec

from services.fhir.search.modifiers import parse_modified
from services.fhir.search.query import All, Condition, Match, Missing, Modifier, StringValue
from services.fhir.search.refusals import invalid, unsupported
from services.fhir.search.strings import normalize
from services.fhir.search.values import Reading, parse_value

# "For convenience, the codes … are predefined and can be used in place of their associated full namespace."
_NAMESPACES: Final = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
_PREFIXES: Final = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
_STRINGS: Final[Mapping[str, Modifier | None]] = {
    "eq": "equal",
    "ne": "unequal",
    "co": "contains",
    "sw": None,
    "ew": "ends",
    "gt": "greater",
    "ge": "not-less",
    "lt": "less",
    "le": "not-greater",
}
_CODES: Final = {"in": "in", "ni": "not-in", "ss": "below", "sb": "above"}
# Names that stand for an element with several parts, which R4 searches by a composite.
_ELEMENTS: Final[Mapping[tuple[str, str], tuple[str, str, str]]] = {
    ("Group", "characteristic"): ("characteristic-value", "code", "value"),
    ("DocumentReference", "relatesTo"): ("relationship", "code", "target"),
}


class Test(msgspec.Struct, frozen=True):
    """`path operator value`; `within` are the tests in brackets behind the first step of the path."""

    steps: tuple[str, ...]
    operator: str
    value: str
    is_string: bool
    within: tuple["Test", ...] = ()


Leaf = Callable[[str, str, Test], Condition | None]  # (type, parameter, test)
Lead = Callable[[str, str, Callable[[str, str], Condition | None]], Condition | None]  # (type, name, what follows)


def parse_test(resource_type: str, test: Test, leaf: Leaf, lead: Lead) -> Condition | None:
    """Follow the path; give None where a parameter on it is unknown."""
    if composite := _ELEMENTS.get((resource_type, test.steps[0])):
        return _of_element(resource_type, composite, test, leaf)
    if len(test.steps) == 1:
        return leaf(resource_type, test.steps[0], test)
    rest = msgspec.structs.replace(test, steps=test.steps[1:], within=())

    def follow(target: str, _: str) -> Condition | None:
        found = [parse_test(target, each, leaf, lead) for each in (*test.within, rest)]
        known = tuple(each for each in found if each is not None)
        return All(known) if len(known) == len(found) else None

    return lead(resource_type, f"{test.steps[0]}.{'.'.join(rest.steps)}", follow)


def _of_element(resource_type: str, composite: tuple[str, str, str], test: Test, leaf: Leaf) -> Condition | None:
    """`relatesTo[code eq replaces].target re DocumentReference/1`"""
    parameter, first, second = composite
    inside = test.within[0] if len(test.within) == 1 else None
    if inside is None or (inside.steps, inside.operator) != ((first,), "eq") or test.steps[1:] != (second,):
        raise invalid(
            "_filter",
            f"the form is {test.steps[0]}[{first} eq …].{second}",
            f"格式应为 {test.steps[0]}[{first} eq …].{second}",
        )
    if test.operator not in ("eq", "re", *_PREFIXES):
        raise _has_no(test.operator, "composite")
    prefix = test.operator if test.operator not in ("eq", "re") else ""
    joined = f"{_escaped(inside)}${prefix}{_escaped(test)}"
    return leaf(resource_type, parameter, msgspec.structs.replace(test, operator="eq", value=joined, is_string=False))


def _escaped(test: Test) -> str:
    return re.sub(r"([\\,$])", r"\\\1", test.value)


def parse_leaf(test: Test, reading: Reading) -> Condition:
    """The operator says what a modifier or a prefix says elsewhere."""
    parameter, operator = reading.parameter, test.operator
    if operator == "pr":
        return _presence(test, reading)
    value = _value(test)
    match parameter.type:
        case "string" if operator in _STRINGS:
            return _string(test, reading)
        case "token" if operator in _CODES:
            return parse_modified(reading, _CODES[operator], [value])
        case "token" | "uri" | "reference" if operator in ("eq", "ne", "re"):
            return _key(value, operator, reading)
        case "date" | "number" | "quantity" if operator in _PREFIXES | {"co", "po"}:
            return _range(value, operator, reading)
    raise _has_no(operator, parameter.type)


def _presence(test: Test, reading: Reading) -> Condition:
    if test.value not in ("true", "false"):
        raise invalid("_filter", "pr takes true or false", "pr 的取值应为 true 或 false")
    return Missing(reading.parameter.code, reading.parameter.type, test.value == "false")


def _value(test: Test) -> str:
    """The text as other parameters take it, its namespace written out."""
    return "|".join(_NAMESPACES.get(part, part) for part in test.value.split("|")) if "|" in test.value else test.value


def _string(test: Test, reading: Reading) -> Condition:
    normalized = normalize(test.value)
    if not normalized:
        raise invalid("_filter", "a string value must have letters", "检索内容不能为空白")
    return Match(reading.parameter.code, "string", _STRINGS[test.operator], (StringValue(test.value, normalized),))


def _key(value: str, operator: str, reading: Reading) -> Condition:
    kind = reading.parameter.type
    if (operator == "re") != (kind == "reference"):
        raise _has_no(operator, kind)
    modifier: Modifier | None = "unequal" if operator == "ne" else None
    return Match(reading.parameter.code, kind, modifier, (parse_value(value, reading),))


def _range(value: str, operator: str, reading: Reading) -> Condition:
    """`po` is that periods overlap, `co` that what is stored includes what is asked."""
    if (operator == "po" and reading.parameter.type != "date") or (
        operator == "co" and reading.parameter.type == "quantity"
    ):
        raise _has_no(operator, reading.parameter.type)
    plain = parse_value(("" if operator in ("co", "po") else operator) + value, reading)
    found = msgspec.structs.replace(plain, prefix=operator) if operator in ("co", "po") else plain
    return Match(reading.parameter.code, reading.parameter.type, None, (cast("StringValue", found),))


def _has_no(operator: str, kind: str) -> Exception:
    return unsupported(
        "_filter", f"{operator[:20]} is no operator of {kind} parameters", f"{kind} 类参数不支持运算符 {operator[:20]}"
    )
