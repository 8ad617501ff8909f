"""String values: http://hl7.org/fhir/R4/search.html#string"""

import re
import unicodedata
from typing import Any

from services.fhir.search.keys import MAX_STRING, exact_key, string_key
from services.fhir.search.row import Row
from services.fhir.search.walk import Sink

_NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
_ADDRESS_PARTS = ("line", "city", "district", "state", "country", "postalCode", "text")
_HAN_ALONE = re.compile("[\u4e00-\u9fff]+")  # has neither case nor accents nor other forms
_ENOUGH = 20 * MAX_STRING  # of a text whose beginning alone is kept: marks and white space fall away


def normalize(text: str) -> str:
    """Fold case, accents and compatibility forms and collapse white space; giving it its own answer changes nothing."""
    if _HAN_ALONE.fullmatch(text):
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
        # each character is asked once: a text may have megabytes of them
        marks = [ord(character) for character in set(text) if unicodedata.category(character).startswith("M")]
        text = text.translate(dict.fromkeys(marks)) if marks else text
    return " ".join(text.lower().split())


def plain(parameter: str) -> Sink[Row]:
    def sink(text: str, row: Row) -> None:
        _add(parameter, text, row)

    return sink


def name_parts(parameter: str) -> Sink[Row]:
    """Of a HumanName; names.py adds the ways in which it is said."""
    return _parts(parameter, _NAME_PARTS)


def address(parameter: str) -> Sink[Row]:
    return _parts(parameter, _ADDRESS_PARTS)


def _parts(parameter: str, names: tuple[str, ...]) -> Sink[Row]:
    """Any part of a name or an address is a value of its own."""

    def sink(value: dict[str, Any], row: Row) -> None:
        for name in names:
            part = value.get(name)
            for text in part if isinstance(part, list) else (part,):
                if text is not None:
                    _add(parameter, text, row)

    return sink


def _add(parameter: str, text: str, row: Row) -> None:
    row.strings[string_key(parameter, normalize(text[:_ENOUGH]))] = None
    row.tokens[exact_key(parameter, text)] = None
