"""What the gateway itself decides is remembered before it is answered: who was refused, who got in, who changed what.

https://profiles.ihe.net/ITI/BALP/ · docs/adr/0006
"""

import asyncio

from gateway.session import Session
from services.fhir import audit
from services.fhir.store.audit_log import Audit
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.database import DatabaseUnavailable

ANSWER_SECONDS = 1.7


class Remember:
    """The one way of the gateway to the audit."""

    def __init__(self, audit_log: Audit, clock: Clock) -> None:
        self._audit_log = audit_log
        self._clock = clock

    async def __call__(
        self,
        caller: Caller,
        act: str,
        status: int,
        *,
        resource_type: str | None = None,
        resource_id: str | None = None,
        about: str | None = None,
    ) -> None:
        """Write one row and return when it is durable; DatabaseUnavailable when it cannot be, and then nothing may be answered.

        `act` is an interaction of FHIR or a word of our own (token, login, admin…); `about` names a client, an account, a reason: no person.
        """
        row = audit.row(self._clock.now(), caller, act, status, resource_type, resource_id, query=about)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._audit_log.record(row)
        except (TimeoutError, OSError) as error:
            raise DatabaseUnavailable from error


def caller_of(session: Session | None, request_id: str, purpose: str = "") -> Caller:
    """Return for whom a request is made, nobody in particular where no session is known."""
    if session is None:
        return Caller("", "", None, (), purpose, request_id, "")
    return Caller(
        session.client,
        session.organization,
        session.practitioner,
        session.scopes,
        purpose or session.purposes[0],
        request_id,
        session.jti,
    )
