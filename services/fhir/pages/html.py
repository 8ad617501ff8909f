"""A sheet as one HTML page without anything that acts or comes from elsewhere: https://www.w3.org/TR/CSP3/"""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Final

import jinja2
import msgspec

from services.fhir.pages.code import code_of
from services.fhir.pages.sheet import Sheet

HTML: Final = "text/html"


class _Page(msgspec.Struct, frozen=True):
    template: jinja2.Template
    style: str
    policy: str


def html(sheet: Sheet) -> bytes:
    """Every text is escaped by the template; only the style and the code, which are made here, are markup."""
    page = _page()
    code = code_of(sheet.url, is_inline=True)
    return page.template.render(sheet=msgspec.to_builtins(sheet), code=code, style=page.style).encode()


def policy() -> str:
    """The one style is named by its hash; a sandbox besides, so that no browser finds anything to run."""
    return _page().policy


@lru_cache(maxsize=1)
def _page() -> _Page:
    room = files("services.fhir.pages") / "templates"
    style = (room / "sheet.css").read_text("utf-8")
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    drawing = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return _Page(
        drawing.from_string((room / "sheet.html").read_text("utf-8")),
        style,
        f"default-src 'none'; style-src 'sha256-{named}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox",
    )
