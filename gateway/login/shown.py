"""Whatever goes wrong before a person's eyes becomes one page, or one redirect to the app: no trace, no detail for strangers."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from gateway.login import pages
from gateway.login.request import NotSentBackError, SentBackError
from gateway.oauth import OAuthError
from services.fhir.outcomes import FhirError
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log_failure

Handler = Callable[[Request], Awaitable[Response]]
_TITLE = "无法继续 Cannot go on"


def shown(handler: Handler, send_back: Callable[[SentBackError], Response]) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SentBackError as error:
            return send_back(error)
        except Exception as error:  # noqa: BLE001 - the one place where the unexpected ends, without a trace for the browser
            return _page(error)

    return answer


def _page(error: Exception) -> Response:
    match error:
        case NotSentBackError():
            return pages.told_page(_TITLE, str(error), 400)
        case OAuthError():
            return pages.told_page(_TITLE, error.description, error.status)
        case FhirError():
            page = pages.told_page(_TITLE, pages.BUSY, error.status)
            page.headers.update(error.headers)
            return page
        case DatabaseUnavailable():
            return pages.told_page(_TITLE, pages.BUSY, 503)
    log_failure("login.failed", error)
    return pages.told_page(_TITLE, pages.BUSY, 500)
