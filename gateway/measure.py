"""What is measured in all services as one answer, for whoever has the right `ops/metrics`; within the network each service tells its own.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
from typing import Final

from fastapi import Request, Response

from gateway.authenticate import Authenticate
from gateway.errors import answer_to, as_response
from gateway.rates import RateLimit
from gateway.remember import Remember, caller_of
from gateway.request_id import request_id_of
from gateway.scopes import OPS_METRICS
from gateway.session import Session
from services.fhir.outcomes import FhirError, forbidden
from services.kit.metrics import CONTENT_TYPE, PATH, Metrics, joined
from services.kit.peers import Peers, PeerUnavailable

ANSWER_SECONDS: Final = 1.8
_OK: Final = 200


class Measure:
    """The route of the gateway."""

    def __init__(
        self, metrics: Metrics, peers: Peers, authenticate: Authenticate, rate_limit: RateLimit, remember: Remember
    ) -> None:
        self._metrics = metrics
        self._peers = peers
        self._authenticate = authenticate
        self._rate_limit = rate_limit
        self._remember = remember

    async def answer(self, request: Request) -> Response:
        request_id, session = request_id_of(request.scope["headers"]), None
        try:
            session = await self._authenticate(request.scope["headers"], request.scope["query_string"])
            await self._check(session)
        except FhirError as error:
            response = as_response(answer_to(error, request_id))
            await self._remember(caller_of(session, request_id), "metrics", response.status_code)
            return response
        texts = [await self._metrics.text(), *await asyncio.gather(*map(self._of, self._peers.services))]
        return Response(joined(texts), media_type=CONTENT_TYPE)

    async def _check(self, session: Session) -> None:
        await self._rate_limit.check_session(session)
        if OPS_METRICS not in session.rights:
            needed = f'Bearer realm="yiyang", error="insufficient_scope", scope="{OPS_METRICS}"'
            raise forbidden(f"The scope {OPS_METRICS} is needed", headers={"WWW-Authenticate": needed})

    async def _of(self, service: str) -> bytes:
        """A service that is away tells nothing."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._peers.call(service, "GET", PATH, [], b"")
        except (PeerUnavailable, TimeoutError):
            return b""
        return answer.body if answer.status == _OK else b""
