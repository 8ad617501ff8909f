"""When a value of a resource answers a value of a search: http://hl7.org/fhir/R4/search.html#ptypes"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from opencc import OpenCC
from pypinyin import lazy_pinyin

Json = dict[str, Any]

SHANGHAI: Final = timezone(timedelta(hours=8))
UCUM: Final = "http://unitsofmeasure.org"
GRAMS: Final = {"mg": Decimal("0.001"), "g": Decimal(1), "kg": Decimal(1000)}
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_PREFIX: Final = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)")

_SIMPLE: Final = OpenCC("t2s")

Span = tuple[Any, Any]


def _prefixed(text: str) -> tuple[str, str]:
    found = _PREFIX.fullmatch(text)
    assert found is not None
    return found[1] or "eq", found[2]


# ---- string -----------------------------------------------------------------------------------------------------------------


def folded(text: str) -> str:
    """Without case, accents and extra white space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if unicodedata.category(c) != "Mn").casefold().split())


def string(value: str, asked: str, modifier: str) -> bool:
    if modifier == "exact":
        return value == asked
    return folded(asked) in folded(value) if modifier == "contains" else folded(value).startswith(folded(asked))


# ---- name: docs/adr/0028 ----------------------------------------------------------------------------------------------------


def name_parts(name: Json) -> list[str]:
    return [*(name[part] for part in ("family", "text") if part in name), *name.get("given", ())]


def name(value: Json, asked: str, modifier: str) -> bool:
    if any(string(part, asked, modifier) for part in name_parts(value)):
        return True
    if modifier == "exact" or not (bare := squeezed(asked)):
        return False
    spoken = [bare, re.sub("(?<=[ln])(v|yu)", "u", bare)]
    return any(string(way, each, modifier) for way in [*ways(value), *name_parts(value)] for each in spoken)


def squeezed(text: str) -> str:
    return "".join(c for c in _SIMPLE.convert(folded(text)) if c.isalnum())


def ways(name: Json) -> Iterator[str]:
    """A name without spaces and signs, in pinyin and by initials; a given name in pinyin too, and one that is not Han throughout first in the order as well."""
    given = "".join(name.get("given", ()))
    whole = name.get("text", name.get("family", "") + given)
    yield squeezed(whole)
    if syllables := pinyin(squeezed(whole)):
        yield "".join(syllables)
        yield "".join(syllable[0] for syllable in syllables)
        yield "".join(pinyin(squeezed(given)))
    elif given and "text" not in name:
        yield squeezed(given + name.get("family", ""))


def pinyin(text: str) -> list[str]:
    """Nothing where not every character is Han."""
    syllables = lazy_pinyin([*text], errors="ignore")
    return syllables if len(syllables) == len(text) else []


# ---- token ------------------------------------------------------------------------------------------------------------------


def codings(value: Any) -> Iterator[tuple[str | None, str | None]]:
    match value:
        case bool():
            yield None, "true" if value else "false"
        case str():
            yield None, value
        case {"coding": inside}:
            for each in inside:
                yield from codings(each)
        case {"text": str()} if len(value) == 1:
            return
        case dict():
            yield value.get("system"), value.get("code", value.get("value"))


def token(value: Any, asked: str, modifier: str) -> bool:
    if modifier == "text":
        return any(folded(text).startswith(folded(asked)) for text in _texts(value))
    if modifier == "of-type":
        return isinstance(value, dict) and _is_of_type(value, asked)
    system, bar, code = asked.rpartition("|")
    for has_system, has_code in codings(value):
        if code and has_code != code:
            continue
        if not bar or (has_system == system if system else has_system is None):
            return True
    return False


def _is_of_type(value: Json, asked: str) -> bool:
    system, code, text = asked.split("|")
    types = value.get("type", {}).get("coding", ())
    return value.get("value") == text and any((t.get("system"), t.get("code")) == (system, code) for t in types)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("text", "display") if name in value)
        yield from (each["display"] for each in value.get("coding", ()) if "display" in each)


# ---- date: http://hl7.org/fhir/R4/search.html#prefix ------------------------------------------------------------------------


def span(text: str) -> Span:
    """The instants that a date means, the end left out."""
    if "T" in text:
        start = datetime.fromisoformat(text)
        start = start if start.tzinfo else start.replace(tzinfo=SHANGHAI)
        whole = re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text)
        return start, start + (timedelta(minutes=1) if whole.count(":") == 1 else timedelta(seconds=1))
    parts = [int(part) for part in text.split("-")]
    first = date(parts[0], parts[1] if len(parts) > 1 else 1, parts[2] if len(parts) > 2 else 1)
    if len(parts) == 3:
        after = first + timedelta(days=1)
    elif len(parts) == 2:
        after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    else:
        after = date(first.year + 1, 1, 1)
    return _midnight(first), _midnight(after)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def spans(value: Any) -> Span:
    if isinstance(value, str):
        return span(value)
    start, end = value.get("start"), value.get("end")
    return span(start)[0] if start else _FIRST, span(end)[1] if end else _LAST


def dates(value: Any, asked: str, modifier: str) -> bool:
    prefix, text = _prefixed(asked)
    (lo, hi), (start, end) = spans(value), span(text)
    return _by_prefix(prefix, start <= lo and hi <= end, hi > end, lo < start, lo >= end, hi <= start)


def _by_prefix(prefix: str, inside: bool, above: bool, below: bool, after: bool, before: bool) -> bool:  # noqa: FBT001
    return {
        "eq": inside,
        "ne": not inside,
        "gt": above,
        "lt": below,
        "ge": above or inside,
        "le": below or inside,
        "sa": after,
        "eb": before,
    }[prefix]


# ---- number and quantity ----------------------------------------------------------------------------------------------------


def _implicit(text: str) -> Span:
    """Half of the last digit on each side: http://hl7.org/fhir/R4/search.html#number"""
    value = Decimal(text)
    digits, exponent = value.as_tuple().digits, int(value.as_tuple().exponent)
    if "e" in text.lower() and len(digits) == 1:  # 1e2 has two digits: from 95 to 105
        exponent -= 1
    half = Decimal(1).scaleb(exponent) / 2
    return value - half, value + half


def _measured(low: Decimal, high: Decimal, asked: str, scale: Decimal = Decimal(1)) -> bool:
    prefix, text = _prefixed(asked)
    exact = Decimal(text) * scale
    lo, hi = (end * scale for end in _implicit(text))
    if prefix == "ap":
        margin = abs(exact) / 10
        return low < exact + margin and high >= exact - margin
    inside = lo <= low and high < hi
    if prefix in ("eq", "ne"):
        return inside if prefix == "eq" else not inside
    return {
        "gt": high > exact,
        "ge": high >= exact,
        "lt": low < exact,
        "le": low <= exact,
        "sa": low > exact,
        "eb": high < exact,
    }[prefix]


def number(value: Any, asked: str, modifier: str) -> bool:
    if isinstance(value, dict):
        ends = [value.get(n, {}).get("value") for n in ("low", "high")]
        low, high = (Decimal(str(e)) if e is not None else None for e in ends)
        return _measured(
            Decimal("-Infinity") if low is None else low, Decimal("Infinity") if high is None else high, asked
        )
    return _measured(Decimal(str(value)), Decimal(str(value)), asked)


def quantity(value: Json, asked: str, modifier: str) -> bool:
    amount, *unit = asked.split("|")
    if "value" not in value:
        return False
    stated = Decimal(str(value["value"]))
    if not unit:
        return _measured(*_open(stated, value), amount)
    system, code = unit
    if system == UCUM and code in GRAMS:
        if value.get("system") != UCUM or value.get("code") not in GRAMS:
            return False
        return _measured(*_open(stated * GRAMS[value["code"]], value), amount, GRAMS[code])
    if system:
        same = (value.get("system"), value.get("code")) == (system, code)
    else:
        same = code in (value.get("code"), value.get("unit"))
    return same and _measured(*_open(stated, value), amount)


def _open(stated: Decimal, value: Json) -> Span:
    comparator = value.get("comparator", "")
    low = Decimal("-Infinity") if comparator.startswith("<") else stated
    return low, Decimal("Infinity") if comparator.startswith(">") else stated


# ---- reference and uri --------------------------------------------------------------------------------------------------------


def reference(value: Json, asked: str, modifier: str) -> bool:
    """`asked` is `Type/id`; a bare id is completed by whoever knows the types."""
    if modifier == "identifier":
        return "identifier" in value and token(value["identifier"], asked, "")
    return bool(value.get("reference") == asked)


def uri(value: str, asked: str, modifier: str) -> bool:
    """A URL lies below another by its path; a URN has no path."""
    if value == asked or "://" not in value or not modifier:
        return value == asked
    above, below = (value, asked) if modifier == "above" else (asked, value)
    return below.startswith(above.rstrip("/") + "/")


COMPARE: Final[Mapping[str, Callable[[Any, str, str], bool]]] = {
    "string": string,
    "name": name,
    "token": token,
    "date": dates,
    "number": number,
    "quantity": quantity,
    "reference": reference,
    "uri": uri,
}
