"""Request headers that change an answer: http://hl7.org/fhir/R4/http.html#ops and https://www.rfc-editor.org/rfc/rfc9110"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import parse_qsl

from services.fhir.outcomes import bad_request, not_acceptable, unsupported_media

FHIR_JSON: Final = "application/fhir+json"
JSON_TYPES: Final = frozenset({FHIR_JSON, "application/json", "json", "text/json"})
_ANY: Final = frozenset({"*/*", "application/*", ""})
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ETAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
_ETAG_LIST: Final = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')

Return = Literal["representation", "minimal", "OperationOutcome"]
RETURNS: Final[tuple[Return, ...]] = ("minimal", "OperationOutcome", "representation")


def etags(header: str) -> frozenset[str] | None:
    """The version ids of If-Match or If-None-Match; None for `*`; 400 when malformed, which must never be ignored."""
    if header.strip() == "*":
        return None
    if not _ETAG_LIST.fullmatch(header):
        raise bad_request(
            'If-Match and If-None-Match take entity tags such as W/"3"', code="value", text="版本标识格式有误"
        )
    return frozenset(_ETAG.findall(header))


def check_accept(accept: str, query: str) -> None:
    """406 unless JSON may be answered; `_format` beats Accept: http://hl7.org/fhir/R4/http.html#parameters"""
    wanted = _wanted(accept, query)
    if wanted in (FHIR_JSON, ""):
        return
    ranges = [
        part.split(";")[0].strip().lower() for part in wanted.split(",") if "q=0;" not in f"{part.replace(' ', '')};"
    ]
    if not any(r in JSON_TYPES or r in _ANY for r in ranges):
        raise not_acceptable(f"This server answers {FHIR_JSON} only", text=f"仅支持 {FHIR_JSON}")


def media(accept: str, query: str, offered: Sequence[str]) -> str:
    """Which of the media types the client likes best, the first where it does not mind; 406 where it takes none.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1; `_format` also takes the last part of a name, such as `pdf`.
    """
    wanted = _wanted(accept, query).lower()
    likings = {kind: _liking(kind, wanted) for kind in offered}
    best = max(offered, key=lambda kind: likings[kind])
    if not likings[best]:
        raise not_acceptable(f"This is answered as {' or '.join(offered)}", text=f"仅支持 {'、'.join(offered)}")
    return best


def _wanted(accept: str, query: str) -> str:
    if "_format" in query:
        return next((v for k, v in parse_qsl(query) if k == "_format"), accept).replace(" ", "+")
    return accept


def _liking(kind: str, accept: str) -> float:
    """The weight of the most exact range that fits; without any preference everything is welcome."""
    family, _, short = kind.partition("/")
    fits = {kind: 3, short: 3, f"{family}/*": 2, "*/*": 1}
    if not accept.strip():
        return 1.0
    found = [(0, 0.0)]
    for part in accept.split(","):
        name, _, parameters = part.replace(" ", "").partition(";")
        if name in fits:
            weight = re.search(r"(?:^|;)q=([01](?:\.\d{0,3})?)(?:;|$)", parameters)
            found.append((fits[name], float(weight[1]) if weight else 1.0))
    return max(found)[1]


def check_content_type(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() not in JSON_TYPES:
        raise unsupported_media(f"Send {FHIR_JSON}")
    check_charset(content_type)


def check_charset(content_type: str) -> None:
    charset = (
        content_type.partition(";")[2]
        .lower()
        .replace(" ", "")
        .replace('"', "")
        .partition("charset=")[2]
        .partition(";")[0]
    )
    if charset not in ("", "utf-8", "utf8"):
        raise unsupported_media("FHIR JSON is UTF-8", text="内容必须使用 UTF-8 编码")


def preferred_return(prefer: str, default: Return = "representation") -> Return:
    """http://hl7.org/fhir/R4/http.html#return; what is not understood is not preferred."""
    for wanted in RETURNS:
        if f"return={wanted}" in prefer:
            return wanted
    return default


def is_strict(prefer: str) -> bool:
    return "handling=strict" in prefer


def http_date(moment: datetime) -> str:
    """https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7, in English whatever the locale; `moment` is in UTC."""
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment.hour:02}:{moment.minute:02}:{moment.second:02} GMT"


def parse_http_date(header: str) -> datetime | None:
    """None where there is no date: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.3 wants a wrong one ignored."""
    if not header:
        return None
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
