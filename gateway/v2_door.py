"""`POST /v2`: HL7 v2 over HTTP is the operation $process-v2 by the address that old systems know (docs/v2.md).

https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
"""

from typing import Final

from gateway.doors import Scope, Send
from gateway.limits import Receive
from gateway.settings import FHIR_PATH
from services.kit.transport import AsgiApp

PATH: Final = "/v2"
_OPERATION: Final = f"{FHIR_PATH}/$process-v2"


class V2Door:
    """The same doors as for everything else: token, rate, scopes, Caller."""

    def __init__(self, doors: AsgiApp) -> None:
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._doors({**scope, "path": _OPERATION}, receive, send)
