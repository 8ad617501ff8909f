"""The functions of FHIRPath that R4's own expressions use: http://hl7.org/fhirpath/N1/#functions

A text function on nothing answers no, as R4's own validator does and R4's invariants expect; a pattern is meant for the whole text.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from services.fhir.fhirpath.values import (
    VALUELESS,
    Collection,
    children,
    descendants,
    key,
    truth,
    without_valueless,
)

Function = Callable[..., Collection]

_REFERENCED = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.-]+(?:/_history/[A-Za-z0-9.-]+)?$")


def _not(focus: Collection) -> Collection:
    value = truth(focus)
    return [] if value is None else [not value]


def _is_distinct(focus: Collection) -> Collection:
    return [len({key(each) for each in focus}) == len(focus)]


def _distinct(focus: Collection) -> Collection:
    return [*{key(each): each for each in focus}.values()]


def union(focus: Collection, other: Collection) -> Collection:
    return _distinct([*focus, *other]) if focus and other else focus or other


def _intersect(focus: Collection, other: Collection) -> Collection:
    keys = {key(each) for each in other}
    return _distinct([each for each in focus if key(each) in keys])


def _on_text(test: Callable[[str, str], bool]) -> Function:
    def function(focus: Collection, argument: Collection) -> Collection:
        texts = without_valueless(focus)
        return [bool(texts and argument) and test(str(texts[0]), str(argument[0]))]

    return function


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _matches(text: str, pattern: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


def _replace_matches(focus: Collection, pattern: Collection, replacement: Collection) -> Collection:
    return [_compiled(pattern[0]).sub(str(replacement[0]), text) for text in without_valueless(focus)]


def _substring(focus: Collection, start: Collection) -> Collection:
    return [text[start[0] :] for text in without_valueless(focus) if len(text) > start[0]]


def _to_integer(focus: Collection) -> Collection:
    texts = [str(each) for each in without_valueless(focus)]
    return [int(text) for text in texts if _matches(text, "[+-]?[0-9]{1,10}")]


def _has_value(focus: Collection) -> Collection:
    return [len(focus) == 1 and focus[0] is not VALUELESS and focus[0].__class__ not in (dict, list)]


def _resolve(focus: Collection) -> Collection:
    """Give a resource of the type that the reference names, and nothing more of it: nothing is fetched."""
    return [{"resourceType": type_} for each in focus if each.__class__ is dict and (type_ := referenced_type(each))]


def referenced_type(reference: dict[str, Any]) -> str | None:
    found = _REFERENCED.search(reference.get("reference", ""))
    return found[1] if found else reference.get("type")


def _with_url(focus: Collection, url: Collection) -> Collection:
    extensions = (each for item in focus if item.__class__ is dict for each in item.get("extension", ()))
    return [each for each in extensions if each.get("url") == url[0]]


FUNCTIONS: Final[Mapping[str, Function]] = {
    "exists": lambda focus: [bool(focus)],
    "empty": lambda focus: [not focus],
    "not": _not,
    "count": lambda focus: [len(focus)],
    "hasValue": _has_value,
    "first": lambda focus: focus[:1],
    "last": lambda focus: focus[-1:],
    "tail": lambda focus: focus[1:],
    "trace": lambda focus, *_: focus,
    "distinct": _distinct,
    "isDistinct": _is_distinct,
    "combine": lambda focus, other: [*focus, *other],
    "union": union,
    "intersect": _intersect,
    "children": lambda focus: [child for each in focus for child in children(each)],
    "descendants": lambda focus: [child for each in focus for child in descendants(each)],
    "matches": _on_text(_matches),
    "contains": _on_text(lambda text, part: part in text),
    "startsWith": _on_text(str.startswith),
    "endsWith": _on_text(str.endswith),
    "replaceMatches": _replace_matches,
    "substring": _substring,
    "length": lambda focus: [len(text) for text in without_valueless(focus)],
    "toInteger": _to_integer,
    "toString": lambda focus: [str(each) for each in without_valueless(focus)],
    "resolve": _resolve,
    "extension": _with_url,
}
