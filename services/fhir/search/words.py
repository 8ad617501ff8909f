"""The words of a resource for `_text` and `_content`: http://hl7.org/fhir/R4/search.html#text

Chinese has no spaces, so a run of Han characters or kana is cut into pairs that overlap: 高血压 is 高血, 血压, 压. A search for 血压 is then
one look-up and one for 高血压 two that must both hold; the last character stands alone so that every character begins a word.
"""

import html
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final

from services.fhir.definitions import type_definition
from services.fhir.search.strings import normalize

NARRATIVE: Final = "~"  # marks a word of the narrative, for `_text`
MAX_WORDS: Final = 5_000  # with the longest of letters they are under 1 MB, the most that a tsvector holds
MAX_LETTERS: Final = 48
MOST_LETTERS: Final = 250_000  # of one text that are read: a book of 150 pages, a tenth of a second
MOST_READ: Final = 500_000  # words of all texts

Json = dict[str, Any]

_HAN: Final = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(rf"([{_HAN}]+)|[^\W_{_HAN}]+")
_TAG: Final = re.compile(r"<[^>]*>")
_SHORT: Final = 64
_PLAIN, _XHTML = "string", "Narrative"
_TEXTS: Final = frozenset({"string", "markdown"})
_ADDRESSES: Final = frozenset({"id", "reference"})  # strings to R4, but no words
_RESOURCES: Final = frozenset({"Resource", "DomainResource"})


def words_of(resource: Json) -> list[str]:
    """Give each word once; those of the resource's own narrative are marked."""
    texts: list[str] = []
    _collect({name: value for name, value in resource.items() if name != "text"}, resource["resourceType"], texts)
    found = _first(word for text in texts for word in _words(text))
    if (narrative := resource.get("text")) and len(found) < MAX_WORDS:
        found += _first(NARRATIVE + word for word in cut(_visible(narrative)))
    return found[:MAX_WORDS]


def _first(words: Iterator[str]) -> list[str]:
    """Each once, as many as are kept; who sends megabytes of text keeps nobody else waiting for the rest of them."""
    found: dict[str, None] = {}
    words = islice(words, MOST_READ)
    while len(found) < MAX_WORDS and (batch := dict.fromkeys(islice(words, MAX_WORDS))):
        found |= batch
    return [*found]


def _visible(narrative: Json) -> str:
    return html.unescape(_TAG.sub(" ", narrative.get("div", "")))


def _words(text: str) -> Iterable[str]:
    """Short texts are mostly those beside codes, which come again and again."""
    return _short_words(text) if len(text) <= _SHORT else cut(text)


@lru_cache(maxsize=8192)
def _short_words(text: str) -> tuple[str, ...]:
    return tuple(cut(text))


def cut(text: str) -> Iterator[str]:
    """Give the words of a text in the form that is stored and searched."""
    for run in _RUN.finditer(normalize(text[:MOST_LETTERS])):
        letters = run[0]
        if run[1] is None:
            yield letters[:MAX_LETTERS]
        else:
            yield from (letters[n : n + 2] for n in range(len(letters)))


def _collect(node: Json, type_name: str, texts: list[str]) -> None:
    kinds = _kinds(type_name)
    for name, value in node.items():
        kind = kinds.get(name)
        if kind is None:
            continue
        for each in value if type(value) is list else (value,):
            if each is None:  # a primitive that has only an extension
                continue
            if kind is _PLAIN:
                texts.append(each)
            elif kind is _XHTML:
                texts.append(_visible(each))
            else:
                _collect(each, each["resourceType"] if kind in _RESOURCES else kind, texts)


@cache
def _kinds(type_name: str) -> dict[str, str]:
    """Give the properties that are text and those that may hold some, by their type."""
    kinds: dict[str, str] = {}
    for element in type_definition(type_name).elements.values():
        for type_ in element.types:
            name = element.name + type_[0].upper() + type_[1:] if element.choice else element.name
            if type_ in _TEXTS and name not in _ADDRESSES:
                kinds[name] = _PLAIN
            elif type_ == _XHTML:
                kinds[name] = _XHTML
            elif type_ in _RESOURCES or type_definition(type_).kind != "primitive":
                kinds[name] = type_
    return kinds
