"""Token values: http://hl7.org/fhir/R4/search.html#token"""

from functools import lru_cache
from typing import Any

from services.fhir.naming import canonical
from services.fhir.search.keys import of_type_key, present_key, string_key, token_key
from services.fhir.search.row import Row
from services.fhir.search.strings import normalize
from services.fhir.search.walk import Sink


def coding(parameter: str) -> Sink[Row]:
    add, add_text = _pair(parameter, "code"), text(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        add(value, row)
        if display := value.get("display"):
            add_text(display, row)

    return sink


def identifier(parameter: str) -> Sink[Row]:
    """Index what the identifier says, and as what: http://hl7.org/fhir/R4/search.html#modifiers, of-type.

    One under an alias is found under the canonical system too (docs/adr/0024).
    """
    add, add_text = _pair(parameter, "value"), text(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        add(value, row)
        system, number = canonical(value)
        if system != value.get("system") or number != value.get("value"):
            add({"system": system, "value": number}, row)
        if kind := value.get("type"):
            _type(kind, value, row)

    def _type(kind: dict[str, Any], value: dict[str, Any], row: Row) -> None:
        if stated := kind.get("text"):
            add_text(stated, row)
        for each in kind.get("coding", ()):
            if display := each.get("display"):
                add_text(display, row)
            if "code" in each and "value" in value:
                row.tokens[of_type_key(parameter, each.get("system", ""), each["code"], value["value"])] = None

    return sink


def codeable_concept(parameter: str) -> Sink[Row]:
    add, add_text, present = coding(parameter), text(parameter), present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        if codings := value.get("coding"):
            for each in codings:
                add(each, row)
        else:
            row.tokens[present] = None
        if stated := value.get("text"):
            add_text(stated, row)

    return sink


def text(parameter: str) -> Sink[Row]:
    """Index the words beside a code, for `:text`."""
    by_text = f"{parameter}:text"

    def sink(value: str, row: Row) -> None:
        row.strings[string_key(by_text, _normalized(value))] = None

    return sink


@lru_cache(maxsize=8192)
def _normalized(text: str) -> str:
    """The words beside codes are few and come again and again."""
    return normalize(text)


def contact_point(parameter: str) -> Sink[Row]:
    add, present = plain(parameter), present_key(parameter)

    def sink(point: dict[str, Any], row: Row) -> None:
        if value := point.get("value"):
            add(value, row)
        else:
            row.tokens[present] = None

    return sink


def plain(parameter: str) -> Sink[Row]:
    """Index a code, id, uri or string, which has no system of its own."""

    def sink(value: str, row: Row) -> None:
        row.tokens[token_key(parameter, None, value)] = None
        row.tokens[token_key(parameter, "", value)] = None

    return sink


def boolean(parameter: str) -> Sink[Row]:
    add = plain(parameter)
    return lambda value, row: add("true" if value else "false", row)


def _pair(parameter: str, code_name: str) -> Sink[Row]:
    """Index the three ways to ask for a system and a code: `c`, `s|c` or `|c`, `s|`."""
    present = present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        tokens, system, code = row.tokens, value.get("system"), value.get(code_name)
        if code is not None:
            tokens[token_key(parameter, None, code)] = None
            tokens[token_key(parameter, system or "", code)] = None
        if system is not None:
            tokens[token_key(parameter, system, None)] = None
        elif code is None:
            tokens[present] = None

    return sink
