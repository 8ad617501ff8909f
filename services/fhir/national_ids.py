"""Finds 公民身份号码 (GB 11643-1999) in text: they stand in no URL, and masked where something is only remembered (docs/adr/0019)."""

import re
from typing import Final

from services.fhir.outcomes import bad_request
from services.kit.identifiers import id_check

_SHAPE: Final = re.compile(
    r"(?:(?<=%[0-9A-Fa-f]{2})|(?<![0-9A-Za-z]))"  # alone, or behind a character that a URL has encoded
    r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
LENGTH: Final = 18
_SHOWN: Final = 6  # the division: where the number was given, not to whom


def holds_national_id(text: str) -> bool:
    return len(text) >= LENGTH and any(_is_one(found[0]) for found in _SHAPE.finditer(text))


def masked(text: str) -> str:
    """The same text with the persons taken out of it."""
    return _SHAPE.sub(lambda found: _masked(found[0]), text)


def check_url(query: str) -> None:
    """URLs are kept by proxies, browsers and logs."""
    if holds_national_id(query):
        raise bad_request(
            "A national ID does not belong in a URL; search by POST [type]/_search with it in the body",
            code="security",
            text="网址中不得含有身份证号，请以 POST _search 在请求体中查询",
        )


def _is_one(text: str) -> bool:
    return id_check(text[:17]) == text[-1].upper()


def _masked(text: str) -> str:
    return text[:_SHOWN] + "*" * (len(text) - _SHOWN) if _is_one(text) else text
