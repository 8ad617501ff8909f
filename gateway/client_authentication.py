"""Which client asks at the token endpoint: by its assertion, or, for an app that can keep no secret, by its id alone.

https://www.rfc-editor.org/rfc/rfc6749#section-2.3 · https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#support-for-public-and-confidential-apps
"""

from http import HTTPStatus

from gateway.assertions import AssertionCheck, AssertionRefusedError
from gateway.backend_client import ASSERTION_TYPE
from gateway.oauth import Asked, Form, OAuthError
from gateway.rates import RateLimit
from gateway.registry import Client, Clients
from services.kit.clock import Clock
from services.kit.logging import log


class ClientAuthentication:
    def __init__(
        self, check: AssertionCheck, clients: Clients, rate_limit: RateLimit, rate_per_second: int, clock: Clock
    ) -> None:
        self._check = check
        self._clients = clients
        self._rate_limit = rate_limit
        self._rate_per_second = rate_per_second
        self._clock = clock

    async def __call__(self, asked: Asked) -> Client:
        """Return the client, within its rate, or raise OAuthError (429 as FhirError)."""
        form = asked.form
        if "client_assertion" in form or "client_assertion_type" in form or "client_id" not in form:
            client = await self._by_assertion(form)
        else:
            client = await self._by_id(form["client_id"])
        asked.be(client.client_id, client.organization)
        await self._rate_limit.check(client.client_id, client.rate or self._rate_per_second)
        return client

    async def _by_assertion(self, form: Form) -> Client:
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
            raise OAuthError("invalid_request", f"client_assertion is needed, with the type {ASSERTION_TYPE}")
        try:
            client = await self._check(form["client_assertion"], self._clock.seconds())
        except AssertionRefusedError as error:
            log("assertion.refused", reason=str(error))
            raise OAuthError("invalid_client", str(error), HTTPStatus.UNAUTHORIZED) from error
        if form.get("client_id", client.client_id) != client.client_id:
            raise OAuthError("invalid_client", "client_id is not the iss of the assertion", HTTPStatus.UNAUTHORIZED)
        return client

    async def _by_id(self, client_id: str) -> Client:
        client = await self._clients.get(client_id)
        if client is None or client.is_disabled or client.has_keys:
            raise OAuthError("invalid_client", "no active app of this id goes without keys", HTTPStatus.UNAUTHORIZED)
        return client
