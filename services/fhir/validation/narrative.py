"""Narratives: well-formed XHTML without active content: http://hl7.org/fhir/R4/narrative.html#xhtml"""

import re
from html.entities import name2codepoint
from itertools import starmap
from typing import Any
from xml.parsers import expat

from services.fhir.validation.problems import EMPTY, NOT_A_STRING, Findings, found, instead_of

_MALFORMED = found("value", "The narrative is not one well-formed XHTML <div>", "叙述须为一个格式正确的 XHTML div")
_ACTIVE = found(
    "invariant", "txt-1: only basic formatting, no active content", "叙述只能包含基本排版，不能包含活动内容"
)
_BLANK = found("invariant", "txt-2: the narrative must have content", "叙述不能为空白")

_XHTML = "http://www.w3.org/1999/xhtml"
_ELEMENTS = frozenset(
    f"{_XHTML} {name}"
    for name in "a abbr acronym address b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img"  # noqa: SIM905
    " ins kbd li ol p pre q samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var".split()
)
_ATTRIBUTES = frozenset(
    "abbr accesskey align alt axis bgcolor border cellpadding cellspacing char charoff charset cite class color colspan compact coords"  # noqa: SIM905
    " datetime dir frame headers height href hreflang id lang longdesc name noshade nowrap rel rev rowspan rules scope shape size span"
    " src start style summary tabindex target title type valign value vspace hspace width".split()
)
_HTML_ENTITIES = name2codepoint.keys() - {"amp", "lt", "gt", "quot", "apos"}
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_TEXT = re.compile(r">[^<]*[^<\s]|<(?:\w+:)?img\b")
_UNSAFE_STYLE = re.compile(r"expression|javascript|behaviou?r\s*:|-moz-binding|@import|\\", re.IGNORECASE)
_SAFE_LINK = re.compile(
    r"(?:https?|ftp|mailto|tel|urn|cid):|data:image/(?:png|gif|jpeg|webp)[;,]|[^:]*(?:[/?#]|$)", re.IGNORECASE
)
_INVISIBLE = re.compile(r"[\x00-\x20]+")
_LINKS = frozenset({"href", "src", "cite", "longdesc"})


class _ActiveContentError(Exception):
    """The narrative holds more than formatting."""


def check_xhtml(value: Any) -> Findings:
    if value.__class__ is not str:
        return instead_of(NOT_A_STRING, value)
    if not value:
        return EMPTY
    try:
        _parse(value)
    except _ActiveContentError:
        return _ACTIVE
    except expat.ExpatError:
        return _MALFORMED
    return () if _TEXT.search(value) else _BLANK


def _parse(xhtml: str) -> None:
    """Let expat read it; a document type or a processing instruction is refused before any entity can grow."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.XmlDeclHandler = parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = _refuse

    def start(name: str, attributes: dict[str, str]) -> None:
        parser.StartElementHandler = _check_element
        _check_root(name, attributes)

    parser.StartElementHandler = start
    parser.Parse(_ENTITY.sub(_without_html_entity, xhtml), True)  # noqa: FBT003


def _check_root(name: str, attributes: dict[str, str]) -> None:
    if name != f"{_XHTML} div":
        raise expat.ExpatError
    _check_element(name, attributes)


def _check_element(name: str, attributes: dict[str, str]) -> None:
    if name not in _ELEMENTS or (attributes and not all(starmap(_is_safe, attributes.items()))):
        raise _ActiveContentError


def _is_safe(attribute: str, text: str) -> bool:
    local = attribute.removeprefix("http://www.w3.org/XML/1998/namespace ")
    if local in _LINKS:
        return _SAFE_LINK.match(_INVISIBLE.sub("", text)) is not None
    return local in _ATTRIBUTES and not (local == "style" and _UNSAFE_STYLE.search(text))


def _refuse(*_: object) -> None:
    raise _ActiveContentError


def _without_html_entity(reference: re.Match[str]) -> str:
    """XML knows five entities, HTML and the specification many: those stand for a character, any one will do."""
    return "&#160;" if reference[1] in _HTML_ENTITIES else reference[0]
