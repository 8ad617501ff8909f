"""The text of a narrative, without any of its markup: http://hl7.org/fhir/R4/narrative.html

Nothing of the XHTML itself reaches a page, so nothing in it can act. What its markup means is kept in words: powers, what was deleted,
lines, lists and tables.
"""

from html.parser import HTMLParser
from typing import Final

from services.fhir.pages.sheet import Block, Grid, Paragraph
from services.fhir.pages.words import clean

_BREAKING: Final = frozenset("address blockquote caption dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre ul".split())  # noqa: SIM905
_SILENT: Final = frozenset({"script", "style", "template", "title", "head"})
_DELETED: Final = frozenset({"del", "s", "strike"})
_RAISED: Final = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_LOWERED: Final = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")


def blocks_of(xhtml: object) -> tuple[Block, ...]:
    """The paragraphs and tables of a `div`, in their order."""
    if not isinstance(xhtml, str):
        return ()
    reader = _Reader()
    reader.feed(xhtml)
    reader.close()
    reader.end_paragraph()
    return tuple(reader.blocks)


class _Reader(HTMLParser):
    """Collects text until something breaks it; a table inside of a table is a part of the cell it stands in."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._rows: list[tuple[bool, list[str]]] = []
        self._tables = 0
        self._silent = 0
        self._shift: list[str] = []
        self._is_pre = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "table":
            self._start_table()
        elif tag == "tr" and self._tables == 1:
            self._rows.append((False, []))
        elif tag in ("td", "th") and self._tables == 1:
            self._start_cell(is_head=tag == "th")
        elif tag in _BREAKING:
            self._break()
            self._text.append("· " if tag == "li" else "")
        self._is_pre = self._is_pre or tag == "pre"
        self._inline(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An empty element of XML, `<script/>` among them, opens nothing."""
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "table":
            self._end_table()
        elif tag in ("td", "th") and self._tables == 1:
            self._end_cell()
        elif tag in _BREAKING:
            self._break()
            self._is_pre = self._is_pre and tag != "pre"
        elif tag in _DELETED:
            self._text.append("〕")
        elif tag in ("sup", "sub") and self._shift:
            self._shift.pop()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        text = data if self._is_pre else " ".join(f"|{data}|".split())[1:-1]
        if self._shift and (bare := text.strip()):
            text = self._shifted(bare)
        self._text.append(text)

    def _shifted(self, text: str) -> str:
        """10<sup>9</sup> is no 109."""
        kind = self._shift[-1]
        table, sign = (_RAISED, "^") if kind == "sup" else (_LOWERED, "_")
        return text.translate(table) if all(ord(c) in table for c in text) else f"{sign}({text})"

    def _inline(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text.append("\n")
        elif tag in _DELETED:
            self._text.append("〔已删除：")
        elif tag in ("sup", "sub"):
            self._shift.append(tag)
        elif tag == "img" and (described := clean(dict(attrs).get("alt"))):
            self._text.append(f"〔图：{described}〕")

    def _break(self) -> None:
        if self._tables:
            self._text.append("\n")
        else:
            self.end_paragraph()

    def end_paragraph(self) -> None:
        if text := self._taken():
            self.blocks.append(Paragraph(text))

    def _taken(self) -> str:
        lines = (clean(line) for line in "".join(self._text).split("\n"))
        self._text.clear()
        return "\n".join(line for line in lines if line and line != "·")

    def _start_table(self) -> None:
        if not self._tables:
            self.end_paragraph()
        self._tables += 1

    def _start_cell(self, *, is_head: bool) -> None:
        self._taken()
        if not self._rows:
            self._rows.append((False, []))
        were_heads, cells = self._rows[-1]
        self._rows[-1] = (is_head and (were_heads or not cells), cells)

    def _end_cell(self) -> None:
        if self._rows:
            self._rows[-1][1].append(self._taken())

    def _end_table(self) -> None:
        self._tables = max(0, self._tables - 1)
        if self._tables:
            return
        rows = [(is_head, cells) for is_head, cells in self._rows if any(cells)]
        self._rows = []
        self._taken()
        width = max((len(cells) for _, cells in rows), default=0)
        full = [(is_head, (*cells, *[""] * (width - len(cells)))) for is_head, cells in rows]
        head = full.pop(0)[1] if full and full[0][0] else ()
        if width:
            self.blocks.append(Grid(head, tuple(cells for _, cells in full)))
