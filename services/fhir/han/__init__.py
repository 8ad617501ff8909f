"""Han characters as a name is written and said: 張三, 张三, zhangsan, zs (docs/adr/0028).

The table is drawn by generate.py; what names say otherwise than words (仇 is qiu, 尉迟 yuchi) is in names.json, by hand.
"""

from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, product
from typing import Any, Final

import jiter

__all__ = ["initials_of", "said", "simplified", "surname_length"]

MOST: Final = 4
"""Readings of one name: 单乐 is shanyue, shanle, danyue, danle."""


def simplified(text: str) -> str:
    """Character by character, so that the beginning of a name stays the beginning of the result."""
    return text if text.isascii() else text.translate(_simple())


def surname_length(name: str) -> int:
    """In characters; `name` is simplified."""
    return 2 if name[:2] in _names()["compound"] and len(name) > 2 else 1  # noqa: PLR2004 - a given name follows


@lru_cache(maxsize=16384)
def said(name: str) -> tuple[tuple[str, ...], ...]:
    """The syllables of a simplified name in each of its readings, the most likely first; none where a character has no reading."""
    if not name or any(character not in _sounds() for character in name):
        return ()
    surname, given = name[: surname_length(name)], name[surname_length(name) :]
    parts = [_of_surname(surname), *(((_sounds()[c],), *_names()["given"].get(c, ())) for c in given)]
    each = (tuple(syllable for part in chosen for syllable in part) for chosen in product(*parts))
    return tuple(dict.fromkeys(islice(each, MOST)))


def initials_of(syllables: tuple[str, ...]) -> str:
    return "".join(syllable[0] for syllable in syllables)


def _of_surname(surname: str) -> tuple[tuple[str, ...], ...]:
    """As a surname first, then as the word."""
    known: tuple[tuple[str, ...], ...] = _names()["surnames"].get(surname, ())
    return (*known, tuple(_sounds()[character] for character in surname))


@cache
def _table() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = jiter.from_json(files(__name__).joinpath("table.json").read_bytes())
    return found


@cache
def _sounds() -> dict[str, str]:
    return {character: syllable for syllable, all_ in _table()["readings"].items() for character in all_}


@cache
def _simple() -> dict[int, str]:
    return {ord(other): one for one, others in _table()["simple"].items() for other in others}


@cache
def _names() -> dict[str, Any]:
    found = jiter.from_json(files(__name__).joinpath("names.json").read_bytes())
    readings = {part: {name: _readings(text) for name, text in found[part].items()} for part in ("surnames", "given")}
    return {**readings, "compound": frozenset(found["compound"].split())}


def _readings(text: str) -> tuple[tuple[str, ...], ...]:
    """`fu mi` are two readings, `yu'chi` is one of two syllables."""
    return tuple(tuple(reading.split("'")) for reading in text.split())
