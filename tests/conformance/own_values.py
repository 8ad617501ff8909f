"""From the value that a resource has to the searches that must find it: http://hl7.org/fhir/R4/search.html#ptypes"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from services.fhir.definitions import SearchParameter
from services.fhir.search.expressions import compile_expression
from services.fhir.search.parameters import composite_parameters

Json = dict[str, Any]
Texts = Iterator[str]


def own_searches(resource: Json, parameter: SearchParameter) -> list[str]:
    """Every `parameter=value` that the resource itself answers to, and `:missing`."""
    found = compile_expression(parameter.expression, resource["resourceType"])(resource)
    if parameter.type == "composite":
        return [
            f"{parameter.code}={text}"
            for value, kind in found
            for text in _composites(resource, parameter, value, kind)
        ]
    own = [f"{parameter.code}{text}" for value, fhir_type in found for text in _TEXTS[parameter.type](value, fhir_type)]
    missing = [f"{parameter.code}:missing={'false' if own else 'true'}"] if own or not found else []
    return [*dict.fromkeys(own), *missing]


def _is(text: str, modifier: str = "") -> str:
    return f"{modifier}={quote(text, safe='')}"


def _escaped(text: str) -> str:
    """http://hl7.org/fhir/R4/search.html#escaping"""
    return re.sub(r"([\\,|$])", r"\\\1", text)


def _strings(value: Any, fhir_type: str) -> Texts:
    for text in _parts(value):
        plain = _escaped(text)
        if plain.strip():
            yield from (
                _is(plain),
                _is(plain.upper()),
                _is(plain, ":exact"),
                _is(_escaped(text[1:].strip() or text), ":contains"),
            )


def _parts(value: Any) -> Texts:
    """A name or an address is found by any of its parts."""
    if isinstance(value, str):
        yield value
    else:
        parts = [
            value[n]
            for n in ("family", "given", "text", "line", "city", "state", "country", "postalCode")
            if n in value
        ]
        for part in parts:
            yield from part if isinstance(part, list) else [part]


def _tokens(value: Any, fhir_type: str) -> Texts:
    for system, code in _codes(value, fhir_type):
        yield from (_is(_escaped(code)),) if code else ()
        yield from (_is(f"{_escaped(system)}|{_escaped(code)}"),) if fhir_type != "ContactPoint" else ()


def _codes(value: Any, fhir_type: str) -> Iterator[tuple[str, str]]:
    match fhir_type:
        case "CodeableConcept":
            for coding in value.get("coding", ()):
                yield from _codes(coding, "Coding")
        case "Coding":
            yield from _pair(value.get("system", ""), value.get("code", ""))
        case "Identifier":
            yield from _pair(value.get("system", ""), value.get("value", ""))
        case "ContactPoint":
            yield from _pair("", value.get("value", ""))
        case "boolean":
            yield "", "true" if value else "false"
        case _:
            yield "", value


def _pair(system: str, code: str) -> Iterator[tuple[str, str]]:
    if system or code:
        yield system, code


def _references(value: Any, fhir_type: str) -> Texts:
    match fhir_type:
        case "Reference":
            literal = value.get("reference", "#").partition("/_history/")[0]
        case "Attachment":
            literal = value.get("url", "#")
        case "Resource":
            literal = f"{value['resourceType']}/{value['id']}" if "id" in value else "#"
        case _:
            literal = value
    if not literal.startswith("#"):
        yield _is(_escaped(literal))


def _uris(value: Any, fhir_type: str) -> Texts:
    yield _is(_escaped(value))


def _dates(value: Any, fhir_type: str) -> Texts:
    match fhir_type:
        case "Period":
            yield from _within(value)
        case "Timing":
            yield from _within(value.get("repeat", {}).get("boundsPeriod", {}))
            for event in value.get("event", ()):
                yield from (_is(f"le{event}"), _is(f"ge{event}"))
        case "date" | "dateTime" | "instant":
            yield from (_is(value), _is(f"eq{value}"), _is(f"ge{value}"), _is(f"le{value}"), _is(f"ap{value}"))


def _within(period: Json) -> Texts:
    for end in ("start", "end"):
        if text := period.get(end):
            yield _is(f"{'ge' if end == 'start' else 'le'}{text}")


def _numbers(value: Any, fhir_type: str) -> Texts:
    if fhir_type != "Range":
        yield from (_is(str(value)), _is(f"ge{value}"), _is(f"le{value}"))


def _quantities(value: Any, fhir_type: str) -> Texts:
    if fhir_type in ("Quantity", "Age", "Duration") and "value" in value and "comparator" not in value:
        yield _is(str(value["value"]))
        yield _is(f"{value['value']}|{_escaped(value.get('system', ''))}|{_escaped(value.get('code', ''))}")
        yield from (_is(f"{value['value']}||{_escaped(value[n])}") for n in ("code", "unit") if n in value)
    elif fhir_type == "Money":
        yield _is(f"{value['value']}||{value['currency']}")
    elif fhir_type == "Range":
        yield from (_is(f"{p}{value[n]['value']}") for p, n in (("ge", "low"), ("le", "high")) if n in value)


def _composites(resource: Json, parameter: SearchParameter, element: Json, fhir_type: str) -> Texts:
    """Each value of one part with the first value of the others, where the element has all of them."""
    parts = []
    for component in composite_parameters(resource["resourceType"])[parameter]:
        values = compile_expression(component.expression, fhir_type)(element, resource)
        texts = [text for v, kind in values for text in _TEXTS[component.parameter.type](v, kind)]
        parts.append([text[1:] for text in texts if text.startswith("=")])
    if all(parts):
        yield from ("$".join(part[min(n, len(part) - 1)] for part in parts) for n in range(max(map(len, parts))))


def _positions(value: Any, fhir_type: str) -> Texts:
    place = f"{value['latitude']}|{value['longitude']}"
    yield from (_is(place), _is(f"{place}|0.1|km"), _is(f"{place}|5|[mi_i]"))


_TEXTS: Final[Mapping[str, Callable[[Any, str], Texts]]] = {
    "string": _strings,
    "token": _tokens,
    "reference": _references,
    "uri": _uris,
    "date": _dates,
    "number": _numbers,
    "quantity": _quantities,
    "special": _positions,
}
