"""An OpenID provider as institutions run one: Authlib's (discovery, code with PKCE, RFC 9068 tokens), on a port of its own.

https://docs.authlib.org/
"""

import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.flask_oauth2 import AuthorizationServer  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749 import ClientMixin, grants  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import CodeChallenge  # type: ignore[import-untyped]
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator  # type: ignore[import-untyped]
from authlib.oidc.core import UserInfo  # type: ignore[import-untyped]
from authlib.oidc.core.grants import OpenIDCode  # type: ignore[import-untyped]
from flask import Flask, jsonify
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

from gateway.grants import challenge_of

AUDIENCE: Final = "https://fhir.example.org/fhir"
BACK: Final = "https://portal.example.org/back"
VERIFIER: Final = "v" * 50


class _Client(ClientMixin):  # type: ignore[misc]
    """Public for people, with a secret for a machine."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.client_metadata: dict[str, Any] = {}

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == BACK

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == "secret"

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in ("none", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "client_credentials")


class _User:
    def __init__(self, claims: dict[str, Any]) -> None:
        self.claims = claims

    def get_user_id(self) -> str:
        return "user-1"


class _Code:
    def __init__(self, request: Any) -> None:
        asked = request.payload
        self.scope, self.nonce = str(asked.scope), asked.data.get("nonce")
        self.code_challenge = asked.data.get("code_challenge")
        self.code_challenge_method = asked.data.get("code_challenge_method")
        self.user = request.user

    def get_redirect_uri(self) -> str:
        return BACK

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class _Tokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    def __init__(self, provider: "Provider") -> None:
        super().__init__(issuer=provider.issuer, expires_generator=lambda *_: provider.seconds)
        self._provider = provider

    def get_jwks(self) -> Any:
        return KeySet(self._provider.keys[:1])  # of a set, the header names the key

    def get_audiences(self, *_: Any) -> Any:
        return self._provider.audience

    def get_extra_claims(self, client: Any, *_: Any) -> dict[str, Any]:
        return {"azp": client.get_client_id(), **self._provider.claims}


class _IdTokens(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: "Provider") -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, *_: Any) -> bool:
        return False

    def resolve_client_private_key(self, _client: Any) -> Any:
        return KeySet(self._provider.keys[:1])

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        return {"iss": self._provider.issuer, "aud": [client.get_client_id()]}

    def generate_user_info(self, user: Any, _scope: str) -> Any:
        return UserInfo(sub=user.get_user_id())


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ["none"]

    def save_authorization_code(self, code: str, request: Any) -> None:
        self.server.codes[code] = _Code(request)

    def query_authorization_code(self, code: str, _client: Any) -> Any:
        return self.server.codes.get(code)

    def delete_authorization_code(self, authorization_code: Any) -> None:
        self.server.codes = {code: one for code, one in self.server.codes.items() if one is not authorization_code}

    def authenticate_user(self, authorization_code: Any) -> Any:
        return authorization_code.user


class _MachineGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ["client_secret_post"]


class _Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, app: Flask, provider: "Provider") -> None:
        super().__init__(app, query_client=_Client, save_token=lambda *_: None)
        self.codes: dict[str, _Code] = {}
        self.register_token_generator("default", _Tokens(provider))
        self.register_grant(_CodeGrant, [CodeChallenge(required=True), _IdTokens(provider)])
        self.register_grant(_MachineGrant)


class Provider:
    """One provider; `claims` are those of the person who logs in, or of the machine that asks."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.seconds = 300
        self.audience: str | list[str] = AUDIENCE
        self.keys: list[Any] = []
        self.rotate()
        self._app = Flask(__name__)
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._add_routes(_Server(self._app, self))

    def rotate(self, *, forget: bool = False) -> None:
        """Sign with a new key; the ones before stay published unless they are forgotten."""
        self.keys = [RSAKey.generate_key(2048, auto_kid=True), *([] if forget else self.keys)]

    def code_token(self, client_id: str = "portal", scope: str = "openid user/*.rs") -> dict[str, Any]:
        """Log a person in and return the answer of the token endpoint."""
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "scope": scope,
            "state": "s",
            "nonce": "n",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        with httpx.Client(base_url=self.issuer) as http:
            back = http.get("/authorize", params=asked).headers["location"]
            [code] = parse_qs(urlsplit(back).query)["code"]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": client_id}
            answer = http.post("/token", data={**form, "code_verifier": VERIFIER})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def machine_token(self, client_id: str, scope: str = "") -> dict[str, Any]:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": "secret", "scope": scope}
        answer = httpx.post(f"{self.issuer}/token", data=form)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _add_routes(self, server: Any) -> None:
        def authorize() -> Any:
            user = _User(self.claims)
            return server.create_authorization_response(grant=server.get_consent_grant(end_user=user), grant_user=user)

        def configuration() -> Any:
            return jsonify(issuer=self.issuer, jwks_uri=f"{self.issuer}/jwks", token_endpoint=f"{self.issuer}/token")

        self._app.add_url_rule("/authorize", view_func=authorize)
        self._app.add_url_rule("/token", "token", server.create_token_response, methods=["POST"])
        self._app.add_url_rule("/jwks", "jwks", lambda: jsonify(KeySet(self.keys).as_dict(private=False)))
        self._app.add_url_rule("/.well-known/openid-configuration", view_func=configuration)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider
