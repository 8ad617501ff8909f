"""The answer that is a page: which form the client takes, drawn beside the event loop, within bounds.

https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from services.fhir.headers import media
from services.fhir.outcomes import unavailable
from services.fhir.pages.html import HTML, html, policy
from services.fhir.pages.pdf import PDF, pdf
from services.fhir.pages.sheet import Sheet, fitted
from services.fhir.request import Answer, FhirRequest

MEDIA: Final = (PDF, HTML)
AT_ONCE: Final = 2
"""Pages that one process draws at the same time; the next ones wait."""
SECONDS: Final = 10.0


def wanted(request: FhirRequest) -> str:
    """PDF or HTML, or 406."""
    return media(request.header(b"accept"), request.query, MEDIA)


async def page(make: Callable[[], Sheet], kind: str, name: str, at: datetime) -> Answer:
    """`name` is that of the file, without its ending; 503 when the page is not drawn in time."""

    def draw() -> bytes:
        sheet = fitted(make())
        return pdf(sheet, at) if kind == PDF else html(sheet)

    try:
        async with asyncio.timeout(SECONDS):
            drawn = await asyncio.get_running_loop().run_in_executor(_hands(), draw)
    except TimeoutError as error:
        raise unavailable(
            "The page is not drawn in time; retry", text="版面生成超时，请稍后重试", headers={"Retry-After": "5"}
        ) from error
    return Answer(200, drawn, _headers(kind, name))


def _headers(kind: str, name: str) -> tuple[tuple[bytes, bytes], ...]:
    """No-one between keeps it; it opens in the browser, and is saved under a name that tells nothing of the person."""
    ending = "pdf" if kind == PDF else "html"
    return (
        (b"content-type", kind.encode() if kind == PDF else f"{kind}; charset=utf-8".encode()),
        (b"content-disposition", f'inline; filename="{quote(name)}.{ending}"'.encode()),
        (b"content-security-policy", policy().encode()),
        (b"cache-control", b"private, no-store"),
        (b"vary", b"Accept"),
        (b"x-content-type-options", b"nosniff"),
    )


@lru_cache(maxsize=1)
def _hands() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="page")
