"""Data types in the words of a Chinese page: http://hl7.org/fhir/R4/datatypes.html

What is not there gives an empty text, never a guess.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir import naming

Json = dict[str, Any]

_CHINESE: Final = re.compile(r"[\u3400-\u9fff]")
# Control characters, halves of surrogate pairs, and what turns the direction of writing: they only disguise a text.
_UNPRINTABLE: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_PARTS: Final = ("年", "月", "日")
_COMPARED: Final = {"<": "<", "<=": "≤", ">=": "≥", ">": ">"}
GENDERS: Final = {"male": "男", "female": "女", "other": "其他", "unknown": "未知"}


def clean(text: Any) -> str:
    """A text as it can be printed."""
    return _UNPRINTABLE.sub("", text).strip() if isinstance(text, str) else ""


def concept(value: Any) -> str:
    """The text of a CodeableConcept, else its Chinese name, else any, else the bare code."""
    if not isinstance(value, dict):
        return ""
    codings = value.get("coding", ())
    names = [name for coding in codings if (name := clean(coding.get("display")))]
    chinese = next((name for name in names if _CHINESE.search(name)), "")
    codes = (clean(coding.get("code")) for coding in codings)
    return clean(value.get("text")) or chinese or next(iter(names), "") or next(codes, "")


def concepts(values: Iterable[Any]) -> str:
    return "、".join(text for value in values if (text := concept(value)))


def when(text: Any, zone: ZoneInfo) -> str:
    """A date or dateTime as exact as it is, an instant in the page's zone."""
    if not isinstance(text, str) or not text:
        return ""
    if "T" not in text:
        return "".join(f"{int(part)}{unit}" for part, unit in zip(text.split("-"), _PARTS, strict=False))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return clean(text)
    return moment(at, zone)


def moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def day(text: Any, zone: ZoneInfo) -> str:
    return when(text, zone).partition(" ")[0]


def period(value: Any, zone: ZoneInfo) -> str:
    if not isinstance(value, dict):
        return ""
    start, end = when(value.get("start"), zone), when(value.get("end"), zone)
    return f"{start} 至 {end}" if start and end else f"{start} 起" if start else f"至 {end}" if end else ""


def quantity(value: Any) -> str:
    """A number keeps the digits with which it was sent."""
    if not isinstance(value, dict) or "value" not in value:
        return ""
    unit = clean(value.get("unit") or value.get("code"))
    return f"{_COMPARED.get(value.get('comparator', ''), '')}{number(value['value'])}{' ' if unit else ''}{unit}"


def number(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def span(value: Any) -> str:
    """A Range."""
    low, high = quantity(value.get("low")), quantity(value.get("high"))
    return f"{low}～{high}" if low and high else f"≥{low}" if low else f"≤{high}" if high else ""


def ratio(value: Any) -> str:
    return " : ".join(filter(None, (quantity(value.get("numerator")), quantity(value.get("denominator")))))


def person(names: Any) -> str:
    """The official name, else the first; a Chinese one without a gap between family and given name."""
    several = [name for name in names or () if isinstance(name, dict) and name.get("use") != "old"]
    best = next((n for n in several if n.get("use") == "official"), next(iter(several), {}))
    family, given = clean(best.get("family")), [clean(each) for each in best.get("given", ())]
    gap = "" if _CHINESE.search(family) else " "
    return clean(best.get("text")) or gap.join(filter(None, (family, *given)))


def phone(points: Any) -> str:
    found = (clean(p.get("value")) for p in points or () if p.get("system") in ("phone", "sms"))
    return next(filter(None, found), "")


def address(places: Any) -> str:
    several = [place for place in places or () if isinstance(place, dict) and place.get("use") != "old"]
    best = next((p for p in several if p.get("use") == "home"), next(iter(several), {}))
    parts = (best.get("state"), best.get("city"), best.get("district"), *best.get("line", ()))
    return clean(best.get("text")) or "".join(map(clean, parts))


def identifier(identifiers: Any, *systems: str) -> str:
    """The value in the first of these systems that there is one in, whatever alias it was sent under (docs/adr/0024)."""
    known = [(naming.canonical(each)[0], clean(each.get("value"))) for each in identifiers or ()]
    return next((value for wanted in systems for system, value in known if system == wanted and value), "")


def age(birth: Any, on: Any) -> str:
    """Whole years on a day; where the birth date is not exact, what follows from it for sure."""
    born, then = _parts(birth), _parts(on)
    if not born or not then:
        return ""
    years = then[0] - born[0]
    if len(born) < len(_PARTS) and (len(then) < len(born) or then[1 : len(born)] <= born[1:]):
        return f"约{years}岁" if years >= 0 else ""
    years -= then[1 : len(born)] < born[1:]
    return f"{years}岁" if years >= 0 else ""


def _parts(text: Any) -> tuple[int, ...]:
    try:
        parts = tuple(int(part) for part in str(text or "").partition("T")[0].split("-"))
        date(*(*parts, 1, 1)[:3])
    except (ValueError, TypeError):
        return ()
    return parts
