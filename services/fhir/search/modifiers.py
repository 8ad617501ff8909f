"""What a modifier makes of a parameter: http://hl7.org/fhir/R4/search.html#modifiers"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

import msgspec

from services.fhir.definitions import resource_types
from services.fhir.search.aliases import aliases, with_aliases
from services.fhir.search.escapes import split, unescape
from services.fhir.search.query import Match, Modifier, OfTypeValue, StringValue, UriValue, Value
from services.fhir.search.refusals import invalid, unsupported
from services.fhir.search.registry import remembered, search_parameters
from services.fhir.search.strings import normalize
from services.fhir.search.targets import reference_targets, refers_by_canonical, value_types
from services.fhir.search.values import Reading, parse_token, parse_value

_PARTS_OF_OF_TYPE: Final = 3
_PARENTS: Final = ("partof", "part-of")


def parse_modified(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    """Raise FhirError 400 for a modifier that the parameter does not take."""
    parameter = reading.parameter
    if parameter.type == "reference" and modifier in resource_types():
        return _of_type(reading, modifier, texts)
    parse = _MODIFIERS.get((parameter.type, modifier))
    if parse is None or (parameter.code == "_id" and modifier != "not"):
        raise unsupported(reading.name, "the modifier is not supported", "不支持该修饰符")
    return parse(reading, modifier, texts)


def _of_type(reading: Reading, target: str, texts: Sequence[str]) -> Match:
    """`subject:Patient=1`"""
    if target not in reference_targets(reading.resource_type, reading.parameter):
        raise invalid(reading.name, f"the reference never points to {target}", "该引用不会指向此资源类型")
    narrowed = msgspec.structs.replace(reading, target=target)
    return Match(reading.parameter.code, "reference", None, tuple(parse_value(each, narrowed) for each in texts))


def _same_values(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    plain = tuple(parse_value(each, reading) for each in texts)
    values = plain if modifier == "exact" else with_aliases(plain, reading)
    return Match(reading.parameter.code, reading.parameter.type, cast("Modifier", modifier), values)


def _text(reading: Reading, _: str, texts: Sequence[str]) -> Match:
    """The words beside a code are strings of their own."""
    values = [StringValue(plain, normalize(plain)) for plain in map(unescape, texts)]
    if not all(value.normalized for value in values):
        raise invalid(reading.name, "a text must have letters", "检索内容不能为空白")
    return Match(f"{reading.parameter.code}:text", "string", None, tuple(values))


def _identifier_of_type(reading: Reading, _: str, texts: Sequence[str]) -> Match:
    if "Identifier" not in value_types(reading.parameter, reading.resource_type):
        raise unsupported(reading.name, "only identifiers have a type", "该修饰符只用于标识")
    parts = [[unescape(part) for part in split(text, "|")] for text in texts]
    if any(len(each) != _PARTS_OF_OF_TYPE or not all(each) for each in parts):
        raise invalid(reading.name, "the value is system|code|value", "格式应为 系统|代码|值")
    return Match(f"{reading.parameter.code}:of-type", "token", None, tuple(OfTypeValue(*each) for each in parts))


def _identifier(reading: Reading, _: str, texts: Sequence[str]) -> Match:
    """`subject:identifier=system|value`: the identifier beside the reference, not that of the resource."""
    values = tuple(each for text in texts for each in aliases(parse_token(text, reading)))
    return Match(f"{reading.parameter.code}:identifier", "token", None, values)


def _value_set(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    values = tuple(UriValue(unescape(each)) for each in texts)
    return Match(reading.parameter.code, "token", cast("Modifier", modifier), values)


def _hierarchy_of_codes(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    values = tuple(parse_token(each, reading) for each in texts)
    if any(not value.system or value.code is None for value in values):
        raise invalid(reading.name, "the value is system|code", "格式应为 系统|代码")
    return Match(reading.parameter.code, "token", cast("Modifier", modifier), values)


def _hierarchy_of_uris(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    uris = [unescape(each) for each in texts]
    if modifier == "below":
        return Match(reading.parameter.code, "uri", "below", tuple(UriValue(uri) for uri in uris))
    above: dict[str, None] = {}
    for uri in uris:
        above |= dict.fromkeys(_ancestors(uri))
    return Match(reading.parameter.code, "uri", None, tuple(UriValue(uri) for uri in above))


def _ancestors(uri: str) -> list[str]:
    """Give a URL and those it lies below, with and without their last slash; a URN has none."""
    found = [uri]
    scheme, mark, path = uri.partition("://")
    while mark and path:
        found += [f"{scheme}://{path}", f"{scheme}://{path.rstrip('/')}", f"{scheme}://{path.rstrip('/')}/"]
        path = path.rstrip("/").rpartition("/")[0]
    return [*dict.fromkeys(found)]


def _hierarchy_of_references(reading: Reading, modifier: str, texts: Sequence[str]) -> Match:
    """Where resources of a type lie inside each other, such as locations; a canonical is below its url and its version."""
    parameter = reading.parameter
    if refers_by_canonical(parameter.expression, reading.resource_type):
        return _hierarchy_of_uris(reading, modifier, texts)
    targets = [t for t in reference_targets(reading.resource_type, parameter) if parent_parameter(t)]
    if not targets:
        raise unsupported(reading.name, "what it refers to has no hierarchy", "所引用的资源没有层级")
    values: tuple[Value, ...] = tuple(parse_value(each, reading) for each in texts)
    return Match(parameter.code, "reference", cast("Modifier", modifier), values)


@remembered
def parent_parameter(resource_type: str) -> str | None:
    """Name the parameter by which a resource of the type names the one it is part of."""
    parameters = search_parameters(resource_type)
    for code in _PARENTS:
        if code in parameters and resource_type in reference_targets(resource_type, parameters[code]):
            return code
    return None


_MODIFIERS: Final[Mapping[tuple[str, str], Callable[[Reading, str, Sequence[str]], Match]]] = {
    ("string", "exact"): _same_values,
    ("string", "contains"): _same_values,
    ("token", "not"): _same_values,
    ("token", "text"): _text,
    ("token", "of-type"): _identifier_of_type,
    ("token", "in"): _value_set,
    ("token", "not-in"): _value_set,
    ("token", "above"): _hierarchy_of_codes,
    ("token", "below"): _hierarchy_of_codes,
    ("reference", "identifier"): _identifier,
    ("reference", "above"): _hierarchy_of_references,
    ("reference", "below"): _hierarchy_of_references,
    ("uri", "above"): _hierarchy_of_uris,
    ("uri", "below"): _hierarchy_of_uris,
}
