"""Reference and uri values: http://hl7.org/fhir/R4/search.html#reference"""

from typing import Any

from services.fhir.references import relative
from services.fhir.search.keys import canonical_key, contained_key, present_key, text_key
from services.fhir.search.row import Row
from services.fhir.search.tokens import identifier
from services.fhir.search.walk import Sink


def reference(parameter: str) -> Sink[Row]:
    """Index what the reference names, and its identifier under `:identifier`; a contained resource also by its type."""
    by_identifier, present = identifier(f"{parameter}:identifier"), present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        literal = value.get("reference")
        row.tokens[present if literal is None else text_key(parameter, relative(literal, row.base))] = None
        if literal is not None and literal[0] == "#" and (inside := row.contained.get(literal[1:])):
            row.tokens[contained_key(parameter, inside)] = None
        if "identifier" in value:
            by_identifier(value["identifier"], row)

    return sink


def canonical(parameter: str) -> Sink[Row]:
    """Index the url with and without its version."""

    def sink(value: str, row: Row) -> None:
        text = relative(value, row.base)
        row.tokens[text_key(parameter, text)] = None
        row.tokens[canonical_key(parameter, text)] = None
        if "|" in text:
            row.tokens[text_key(parameter, text.partition("|")[0])] = None

    return sink


def attachment(parameter: str) -> Sink[Row]:
    """Index where the attachment lies."""
    add, present = canonical(parameter), present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        if url := value.get("url"):
            add(url, row)
        else:
            row.tokens[present] = None

    return sink


def inline_resource(parameter: str) -> Sink[Row]:
    """Index the first resource of a document or message as if it were referred to."""
    present = present_key(parameter)

    def sink(value: dict[str, Any], row: Row) -> None:
        named = "id" in value
        row.tokens[text_key(parameter, f"{value['resourceType']}/{value['id']}") if named else present] = None

    return sink


def uri(parameter: str) -> Sink[Row]:
    def sink(value: str, row: Row) -> None:
        row.tokens[text_key(parameter, value)] = None

    return sink


def versioned_uri(parameter: str) -> Sink[Row]:
    """Index a canonical that is searched as a uri, with and without its version."""
    add = uri(parameter)

    def sink(value: str, row: Row) -> None:
        add(value, row)
        add(value.partition("|")[0], row)

    return sink
