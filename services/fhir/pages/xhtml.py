"""Paragraphs and tables as the narrative of a resource or a section: http://hl7.org/fhir/R4/narrative.html"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

from services.fhir.pages.sheet import Block, Grid, Paragraph
from services.fhir.pages.words import clean

_XHTML: Final = "http://www.w3.org/1999/xhtml"


def narrative(blocks: Iterable[Block], *, status: str = "generated") -> dict[str, Any]:
    """A Narrative; `blocks` are never empty, as its div may not be (txt-2)."""
    inside = "".join(part for block in blocks for part in _block(block))
    return {"status": status, "div": f'<div xmlns="{_XHTML}">{inside}</div>'}


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield f"<p>{_text(block.text)}</p>"
        return
    yield "<table>"
    yield from _grid(block)
    yield "</table>"


def _grid(grid: Grid) -> Iterator[str]:
    if grid.head:
        yield f"<thead><tr>{''.join(f'<th>{_text(cell)}</th>' for cell in grid.head)}</tr></thead>"
    rows = (f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in grid.rows)
    yield f"<tbody>{''.join(rows)}</tbody>"


def _text(text: str) -> str:
    return escape(clean(text), quote=False).replace("\n", "<br/>")
