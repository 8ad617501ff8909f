"""Token values: http://hl7.org/fhir/R4/search.html#token"""

from typing import Any

from services.fhir.search.keys import present_key, token_key
from services.fhir.search.row import Row
from services.fhir.search.walk import Sink


def coding(parameter: str) -> Sink[Row]:
    return _pair(parameter, "code")


def identifier(parameter: str) -> Sink[Row]:
    return _pair(parameter, "value")


def codeable_concept(parameter: str) -> Sink[Row]:
    add, present = coding(parameter), present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        if codings := value.get("coding"):
            for each in codings:
                add(each, row)
        else:
            row.tokens[present] = None

    return sink


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
