"""From a login to tokens: what a person may do at an app, looked at again each time (RFC 6749 §4.1, OpenID Connect Core).

https://openid.net/specs/openid-connect-core-1_0.html#IDToken · https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from typing import Any, Final

from gateway.jws import sign
from gateway.oauth import OAuthError
from gateway.registry import Account, Accounts, Client, Login, Logins, SigningKeys
from gateway.roles import granted, purposes_of
from gateway.scopes import FHIR_USER, OFFLINE, ONLINE, OPENID, Scopes, read_scopes
from gateway.session import Bearer
from gateway.settings import GatewaySettings
from gateway.tokens import AccessToken, AccessTokens
from services.kit.clock import Clock

ID_ALGORITHM: Final = "RS256"  # the one that every OpenID client knows: OpenID Connect Core §15.1
REFRESHING: Final = frozenset({ONLINE, OFFLINE})


class PeopleTokens:
    def __init__(
        self,
        settings: GatewaySettings,
        accounts: Accounts,
        logins: Logins,
        tokens: AccessTokens,
        keys: SigningKeys,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._logins = logins
        self._tokens = tokens
        self._keys = keys
        self._clock = clock

    async def issue(self, client: Client, login: Login, scope: str) -> tuple[dict[str, Any], Bearer, AccessToken]:
        """Return the answer of the token endpoint, for whom the token is, and the token; OAuthError when the login is over."""
        account = await self._accounts.get(login.account)
        if account is None or account.is_void(login.began_at):
            raise OAuthError("invalid_grant", "the login is over: log in again")
        scopes = granted(read_scopes(scope), account.roles, read_scopes(client.scopes))
        bearer = person_bearer(client, account, login.family)
        token = await self._tokens.issue(bearer, scopes)
        answer: dict[str, Any] = {
            "access_token": token.text,
            "token_type": "bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
        if OPENID in scopes.rights:
            answer["id_token"] = await self._id_token(client, account, login, scopes)
        kind, _, identifier = account.person.partition("/")
        if kind == "Patient" and any(each.context == "patient" for each in scopes.fhir):
            answer["patient"] = identifier  # the context that the scopes are about
        if REFRESHING.intersection(scopes.rights):
            answer["refresh_token"] = await self._logins.issue_refresh(login)
        return answer, bearer, token

    async def _id_token(self, client: Client, account: Account, login: Login, scopes: Scopes) -> str:
        now = int(self._clock.seconds())
        claims: dict[str, Any] = {
            "iss": self._settings.front,
            "sub": account.id,
            "aud": client.client_id,
            "iat": now,
            "exp": now + self._settings.token_seconds,
            "auth_time": int(login.began_at.timestamp()),
            "amr": login.methods,
        }
        if login.nonce is not None:
            claims["nonce"] = login.nonce
        if FHIR_USER in scopes.rights:
            claims["fhirUser"] = f"{self._settings.public_base}/{account.person}"
        kid, private_key = await self._keys.signer()
        return sign({"typ": "JWT", "kid": kid}, claims, private_key, ID_ALGORITHM)


def person_bearer(client: Client, account: Account, family: str) -> Bearer:
    """Return for whom a token is made when a person uses an app; OAuthError where the two have no purpose in common."""
    purposes = purposes_of(account.roles, client.purposes)
    if not purposes:
        raise OAuthError("access_denied", "this app is registered for no purpose that the roles of the account have")
    return Bearer(
        client=client.client_id,
        organization=account.organization,
        practitioner=account.person,
        account=account.id,
        family=family,
        purposes=purposes,
    )
