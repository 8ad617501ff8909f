"""Which display to show, and whether one is right: http://hl7.org/fhir/R4/languages.html"""

from collections.abc import Iterator
from typing import Any

from services.fhir.search.strings import normalize
from services.fhir.terminology.systems import Concept

Json = dict[str, Any]


def display_in(language: str | None, own_language: str | None, concept: Concept) -> str:
    """The display in the language asked for: its own, a designation, else its own again. `en` also takes `en-GB`."""
    if not language or (own_language and _speaks(own_language, language)):
        return concept.display
    found = (d["value"] for d in concept.designations if _speaks(d.get("language", ""), language))
    return next(found, concept.display)


def is_display_of(text: str, concept: Concept) -> bool:
    """Case, accents and spaces do not make another display."""
    return normalize(text) in map(normalize, all_displays(concept))


def all_displays(concept: Concept) -> Iterator[str]:
    yield concept.display
    yield from (d["value"] for d in concept.designations)


def matches_text(filter_text: str, concept: Concept) -> bool:
    """Each word of the filter is part of the code or of one of its displays."""
    texts = [normalize(text) for text in (concept.code, *all_displays(concept))]
    return all(any(word in text for text in texts) for word in normalize(filter_text).split())


def _speaks(language: str, wanted: str) -> bool:
    return language.lower() == wanted.lower() or language.lower().startswith(f"{wanted.lower()}-")
