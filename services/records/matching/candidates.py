"""Which searches find whoever may be the same: each narrow, each by an index, together they catch one slip in any feature.

A search is a list of parameters as in a URL; a value's `,`, `|` and `$` are escaped: http://hl7.org/fhir/R4/search.html#escaping
"""

import re
from datetime import date
from typing import Final

from services.records.matching.features import Features

Search = tuple[tuple[str, str], ...]

_SPECIAL: Final = re.compile(r"([\\,|$])")
_FULL: Final = len("2000-01-01")
_MOST_READINGS: Final = 4


def searches_for(person: Features) -> tuple[Search, ...]:
    found: list[Search] = []
    if person.identities or person.numbers:
        known = sorted(person.identities | person.numbers)
        found.append((("identifier", ",".join("|".join(map(_escaped, each.split("|", 1))) for each in known)),))
    if person.phones:
        found.append(
            (("phone", ",".join(spelling for each in sorted(person.phones) for spelling in _spellings(each))),)
        )
    if person.birth and len(person.birth) == _FULL and person.names:
        found.append((("birthdate", ",".join(_slips(person.birth))), ("name", ",".join(_beginnings(person)))))
    if spoken := sorted({each for name in person.names for each in (*name.said, name.written, name.turned) if each}):
        found.append((("name", ",".join(map(_escaped, spoken[: 2 * _MOST_READINGS]))), *_around(person.birth)))
    return tuple(found)


def _beginnings(person: Features) -> list[str]:
    """With which the name may begin, also where family and given name are turned or its first character is mistaken."""
    first = {part[0] for name in person.names for part in (*name.said, name.written, name.turned) if part}
    return sorted(map(_escaped, first))


def _around(birth: str | None) -> Search:
    """Within two years of the birth, where it is known; the slips of a year are found by the other searches."""
    if not birth or not birth[:4].isdigit():
        return ()
    year = int(birth[:4])
    return (("birthdate", f"ge{year - 2:04d}"), ("birthdate", f"le{year + 2:04d}"))


def _slips(birth: str) -> list[str]:
    """The date, day and month exchanged, one digit of the year, the month or the day wrong, a month or a day beside."""
    year, month, day = birth[:4], birth[5:7], birth[8:]
    years = {year, year[:2] + year[3] + year[2], *(f"{int(year) + n:04d}" for n in (-10, -2, -1, 1, 2, 10))}
    texts = {f"{each}-{month}-{day}" for each in years} | {f"{year}-{day}-{month}"}
    texts |= {f"{year}-{month}-{other}" for other in _digits(day)} | {
        f"{year}-{other}-{day}" for other in _digits(month)
    }
    return sorted(text for text in texts if _is_date(text))


def _digits(two: str) -> set[str]:
    """Two digits with one of them wrong, or exchanged."""
    return {two[1] + two[0]} | {two[0] + d for d in "0123456789"} | {d + two[1] for d in "0123"}


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _spellings(phone: str) -> tuple[str, ...]:
    return tuple(map(_escaped, (phone, f"+86{phone}", f"86{phone}", f"+86 {phone}", f"+86-{phone}")))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
