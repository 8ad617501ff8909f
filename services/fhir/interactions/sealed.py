"""A page link whose search names a person carries the search sealed: who finds the link learns nothing (docs/adr/0007, docs/adr/0019)."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from services.fhir.national_ids import holds_national_id
from services.fhir.outcomes import bad_request
from services.fhir.request import FhirRequest
from services.fhir.search.query import SearchQuery
from services.fhir.service import Service
from services.fhir.store.cursors import hide, shown

Parameters = Sequence[tuple[str, str]]

NAME: Final = "_sealed"
_WHAT: Final = "the search"
_NAMES: Final = frozenset({"name", "family", "given", "phonetic"})
_TEXTS: Final = frozenset({"_text", "_content", "_filter"})
_PEOPLE: Final = frozenset({"Patient", "RelatedPerson", "Person", "Practitioner"})
_PART: Final = re.compile(r"[.:]")
_decode: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


def asked(request: FhirRequest, service: Service) -> list[tuple[str, str]]:
    """The parameters of a search, those behind a sealed link among them."""
    return opened(request.parameters, service.stores.cursor_key)


def sealed(query: SearchQuery, keys: bytes) -> Parameters:
    """The parameters for a page's link: as they are where they name nobody."""
    if not any(holds_national_id(value) or _may_name(name, query.type) for name, value in query.used):
        return query.used
    return ((NAME, hide(msgspec.json.encode(list(query.used)), _WHAT, keys)),)


def stood_in_url(query: SearchQuery, request: FhirRequest) -> bool:
    """Whether the caller itself has written the search into a URL, and may."""
    is_hidden = request.method != "GET" or request.is_entry or any(name == NAME for name, _ in request.parameters)
    return not is_hidden and not any(holds_national_id(value) for _, value in query.used)


def opened(given: Parameters, keys: bytes) -> list[tuple[str, str]]:
    """What a link stands for, with the parameters beside it.

    A client that sees no `_count` in the link adds its own, as @medplum/core does: the link's counts.
    """
    found = [pair for name, value in given if name == NAME for pair in _opened(value, keys)]
    is_counted = any(name == "_count" for name, _ in found)
    return found + [pair for pair in given if pair[0] != NAME and not (is_counted and pair[0] == "_count")]


@lru_cache(maxsize=1024)
def _may_name(name: str, resource_type: str) -> bool:
    """May the value be a person's name: of a person, at the end of a chain that can lead to one, or in free text."""
    parts = {*_PART.split(name)}
    is_chain = "." in name or name.startswith("_has:")
    return bool(parts & _TEXTS) or (bool(parts & _NAMES) and (is_chain or resource_type in _PEOPLE))


def _opened(text: str, keys: bytes) -> list[tuple[str, str]]:
    found = shown(text, _WHAT, keys)
    if found is None:
        raise bad_request("_sealed: not a page link of this server", code="value", text="翻页链接无效")
    return _decode(found)
