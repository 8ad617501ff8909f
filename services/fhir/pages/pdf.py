"""A sheet as PDF, its fonts embedded as far as they are used, its text selectable and tagged: https://typst.app/docs/

Typst runs in this process without holding Python's lock (docs/adr/0029). The template is ours; what is drawn comes in as data.
"""

from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Final

import msgspec
import pylopdf_fonts_zh_cn as fonts
import typst

from services.fhir.pages.code import code_of
from services.fhir.pages.sheet import Sheet

PDF: Final = "application/pdf"
_ROOM: Final = files("services.fhir.pages") / "templates"
"""All that a template could reach."""
FAMILIES: Final = ("Noto Serif SC", "Noto Sans SC")


def pdf(sheet: Sheet, at: datetime) -> bytes:
    """The same sheet at the same moment gives the same bytes."""
    inputs = {"sheet": msgspec.json.encode(sheet).decode(), "code": code_of(sheet.url, is_inline=False)}
    compiler = typst.Compiler(_template(), root=str(_ROOM), font_paths=_fonts(), ignore_system_fonts=True)
    made = compiler.compile(format="pdf", sys_inputs=inputs, timestamp=at.replace(microsecond=0))
    if not isinstance(made, bytes):
        raise TypeError("Typst gave no PDF")
    return made


@lru_cache(maxsize=1)
def _template() -> bytes:
    return (_ROOM / "sheet.typ").read_bytes()


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Of every machine the same: neither its own fonts nor those in Typst are looked at."""
    found = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts.serif_path().parent)]
    )
    if missing := {*FAMILIES} - {*found.families()}:
        raise RuntimeError(f"Fonts are missing: {missing}")
    return found
