"""What the gateway is made of, put together once per process."""

from datetime import timedelta

from fastapi import APIRouter

from gateway import admin, token_endpoint
from gateway.admin import AdminClients
from gateway.assertions import AssertionCheck
from gateway.authenticate import Authenticate, ReadToken
from gateway.client_authentication import ClientAuthentication
from gateway.client_keys import ClientKeys
from gateway.doors import Doors
from gateway.forward import Forward
from gateway.grants import Grants
from gateway.login.codes import SendBack
from gateway.login.cookies import Cookies
from gateway.login.credentials import CheckCredentials
from gateway.login.endpoint import LoginEndpoint
from gateway.login.endpoint import routes as login_routes
from gateway.login.request import ReadRequest
from gateway.people_tokens import PeopleTokens
from gateway.provider import ProviderTokens, by_issuer
from gateway.provider_keys import ProviderKeys
from gateway.rates import RateLimit
from gateway.registry import (
    Accounts,
    Assertions,
    Attempts,
    Browsers,
    Clients,
    Logins,
    Rates,
    Revocations,
    SigningKeys,
)
from gateway.remember import Remember
from gateway.settings import GatewaySettings
from gateway.token_endpoint import TokenEndpoint
from gateway.tokens import AccessTokens
from services.fhir.store.audit_log import AuditLog
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.outbound import Outbound
from services.kit.peers import Peers

ANSWER_SECONDS = 1.7  # of a provider that a request waits for


class Parts:
    """The doors, the endpoints and what they share."""

    def __init__(self, settings: GatewaySettings, peers: Peers, database: Database, clock: Clock) -> None:
        engine = database.engine
        self._settings = settings
        self.outbound = Outbound(settings.outbound_networks)
        self.quick_outbound = Outbound(settings.outbound_networks, seconds=ANSWER_SECONDS)
        self._clock = clock
        self.keys = SigningKeys(engine, settings.key, clock)
        self.tokens = AccessTokens(settings, self.keys, clock)
        self.clients = Clients(engine, clock)
        self.revocations = Revocations(engine, clock)
        self.remember = Remember(AuditLog(database), clock)
        self.rate_limit = RateLimit(Rates(engine), settings)
        self.logins = Logins(engine, clock)
        self.accounts = Accounts(engine, clock)
        self._assertions = Assertions(engine, clock)
        self._attempts = Attempts(engine, clock)
        life, idle = timedelta(seconds=settings.session_seconds), timedelta(seconds=settings.idle_seconds)
        self._browsers = Browsers(engine, clock, life, idle)
        self.authenticate = Authenticate(self._read_token(), self.revocations, clock)
        self.doors = Doors(settings, self.authenticate, self.rate_limit, Forward(settings, peers, clock), self.remember)

    def _read_token(self) -> ReadToken:
        provider = self._settings.provider
        if provider is None:
            return self.tokens.read
        keys = ProviderKeys(provider, self.quick_outbound)
        others = ProviderTokens(provider, self._settings.public_base, keys, self.clients, self._clock)
        return by_issuer(self.tokens.read, others.read, provider.issuer)

    def admin_routes(self) -> APIRouter:
        return admin.routes(AdminClients(self.clients), self.authenticate, self.rate_limit, self.remember)

    def token_routes(self) -> APIRouter:
        settings, clock = self._settings, self._clock
        check = AssertionCheck(
            settings.token_url,
            settings.assertion_algorithms,
            self.clients.get,
            ClientKeys(self.outbound),
            self._assertions.claim,
        )
        people = PeopleTokens(settings, self.accounts, self.logins, self.tokens, self.keys, clock)
        grants = Grants(self.logins, people, self.revocations, clock)
        authenticate = ClientAuthentication(check, self.clients, self.rate_limit, settings.rate_per_second, clock)
        endpoint = TokenEndpoint(authenticate, self.tokens, grants, self.logins, self.revocations)
        return token_endpoint.routes(endpoint, self.remember)

    async def close(self) -> None:
        await self.outbound.close()
        await self.quick_outbound.close()

    def login_routes(self) -> APIRouter:
        settings = self._settings
        send_back = SendBack(settings, self.logins, self.revocations, self._clock)
        check = CheckCredentials(settings, self.accounts, self._attempts, self.rate_limit, self._clock)
        endpoint = LoginEndpoint(
            ReadRequest(settings, self.clients),
            check,
            self.accounts,
            self._browsers,
            send_back,
            Cookies(settings),
            self.remember,
        )
        return login_routes(endpoint, send_back)
