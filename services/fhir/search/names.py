"""Names of people as they are written and said, beside the strings as they stand (docs/adr/0028).

http://hl7.org/fhir/R4/search.html#string lets a server search a name in more ways than by its letters; `:exact` and the order of a sort know nothing of them.
"""

import re
from functools import lru_cache
from typing import Any, Final

from services.fhir.han import initials_of, said, simplified
from services.fhir.search.keys import string_key
from services.fhir.search.query import StringValue
from services.fhir.search.row import Row
from services.fhir.search.strings import name_parts, normalize
from services.fhir.search.walk import Sink

_OTHER_U: Final = re.compile(r"(?<=[ln])(?:v|yu)")  # ü where a keyboard has none
_LONGEST: Final = 64  # what is longer is no name


def folded_place(parameter: str) -> str:
    """Behind a parameter's own name, so that sorting and `:missing` see what was sent alone."""
    return f"{parameter}:folded"


@lru_cache(maxsize=16384)
def folded(text: str) -> str:
    """Simplified, without case, accents, width, spaces, `·` and hyphens."""
    return "".join(filter(str.isalnum, simplified(normalize(text))))


def human_name(parameter: str) -> Sink[Row]:
    add_parts, place = name_parts(parameter), folded_place(parameter)

    def sink(name: dict[str, Any], row: Row) -> None:
        add_parts(name, row)
        for text in ways_of(name):
            row.strings[string_key(place, text)] = None

    return sink


def ways_of(name: dict[str, Any]) -> tuple[str, ...]:
    """All by which a HumanName is found besides its parts as they stand."""
    given = "".join(filter(None, name.get("given", ())))
    return _ways(name.get("text") or "", name.get("family") or "", given)


@lru_cache(maxsize=16384)
def _ways(text: str, family: str, given: str) -> tuple[str, ...]:
    whole = text or family + given
    if not whole or len(whole) > _LONGEST:
        return ()
    plain = folded(whole)
    syllables = said(plain)
    found = ["".join(each) for each in syllables] + [initials_of(each) for each in syllables]
    if plain and (not text or plain != normalize(whole)):
        found.append(plain)
    if given and syllables:
        found += ["".join(each) for each in said(folded(given))]
    elif given and not text:
        found.append(folded(given + family))
    return tuple(dict.fromkeys(found))


def asked(text: str) -> tuple[str, ...]:
    """What a search for a name looks for among these ways."""
    plain = folded(text)
    other = _OTHER_U.sub("u", plain) if plain.isascii() else plain
    return tuple(dict.fromkeys(each for each in (plain, other) if each))


def places(parameter: str, value: StringValue) -> dict[tuple[str, str], None]:
    """Where and what to look for: the text as it stands, and of a name the other ways to write and say it."""
    as_it_stands = [(parameter, text) for text in (value.normalized, *value.folded)]
    return dict.fromkeys((*as_it_stands, *((folded_place(parameter), way) for way in value.folded)))
