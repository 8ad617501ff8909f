"""What a page shows, whatever draws it: parts with facts to the point and sections of text and tables (docs/adr/0029).

Whatever is empty is drawn as a blank line, to be filled in by hand. Texts are texts: no markup is understood in any of them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

MAX_SECTION: Final = 20_000
MAX_SHEET: Final = 200_000
"""Characters; what goes beyond is cut, and the sheet says so."""
CUT: Final = "……（内容过长，其余部分见资料包原文 · cut here, the rest is in the document）"


class Fact(msgspec.Struct, frozen=True):
    """A short value under its label; `is_signed` leaves room for a pen, `weight` is its share of the line."""

    label: str
    english: str
    text: str = ""
    is_signed: bool = False
    weight: int = 1


class Paragraph(msgspec.Struct, frozen=True, tag=True):
    text: str


class Grid(msgspec.Struct, frozen=True, tag=True):
    """A table; each row has as many cells as the widest, `head` may be empty."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Paragraph | Grid


class Section(msgspec.Struct, frozen=True):
    title: str
    english: str
    blocks: tuple[Block, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """A part of a form, such as a stub: facts line by line, a sentence, sections, and the facts that close it."""

    title: str
    english: str
    salutation: str = ""
    facts: tuple[tuple[Fact, ...], ...] = ()
    sentence: str = ""
    sections: tuple[Section, ...] = ()
    closing: tuple[tuple[Fact, ...], ...] = ()


class Sheet(msgspec.Struct, frozen=True):
    """`url` becomes a QR code where there is one; `mark` is what every page says across."""

    title: str
    english: str
    number: str
    number_label: str
    parts: tuple[Part, ...]
    note: str = ""
    url: str = ""
    mark: str = ""


def fitted(sheet: Sheet) -> Sheet:
    """The sheet within its bounds: none takes longer to draw than the longest that is allowed."""
    left = [MAX_SHEET]
    parts = tuple(msgspec.structs.replace(p, sections=tuple(_cut(s, left) for s in p.sections)) for p in sheet.parts)
    return msgspec.structs.replace(sheet, parts=parts)


def _cut(section: Section, left: list[int]) -> Section:
    room = min(MAX_SECTION, left[0])
    kept = tuple(_kept(section.blocks, room))
    left[0] -= min(room, sum(map(_size, kept)))
    return msgspec.structs.replace(section, blocks=kept)


def _kept(blocks: Iterable[Block], room: int) -> Iterator[Block]:
    for block in blocks:
        size = _size(block)
        if size > room:
            if isinstance(block, Paragraph):
                yield Paragraph(block.text[:room])
            yield Paragraph(CUT)
            return
        yield block
        room -= size


def _size(block: Block) -> int:
    """A cell costs as a few characters do, though it be empty."""
    if isinstance(block, Paragraph):
        return len(block.text) + 10
    return sum(len(cell) + 10 for row in (block.head, *block.rows) for cell in row)
