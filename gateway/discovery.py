"""Where to find what: the SMART configuration of this server, and the same for clients of OpenID Connect.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known · https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from typing import Any

from gateway.people_tokens import ID_ALGORITHM
from gateway.scopes import FHIR_USER, OFFLINE, ONLINE, OPENID
from gateway.settings import GatewaySettings

_SYSTEMS = ["client-confidential-asymmetric", "permission-v2"]
_PEOPLE = [
    "launch-standalone",
    "client-public",
    "sso-openid-connect",
    "permission-user",
    "permission-online",
    "permission-offline",
]


def smart_configuration(settings: GatewaySettings) -> dict[str, Any]:
    """Return what this server offers; without people's logins where another provider makes them."""
    auth = f"{settings.front}/auth"
    configuration: dict[str, Any] = {
        "issuer": settings.front,
        "jwks_uri": f"{auth}/jwks",
        "token_endpoint": settings.token_url,
        "introspection_endpoint": f"{auth}/introspect",
        "revocation_endpoint": f"{auth}/revoke",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(settings.assertion_algorithms),
        "scopes_supported": ["system/*.cruds"],
        "response_types_supported": [],
        "code_challenge_methods_supported": ["S256"],  # the specification asks for it of servers without this flow too
        "capabilities": _SYSTEMS,
    }
    return configuration if settings.provider else configuration | _for_people(auth)


def _for_people(auth: str) -> dict[str, Any]:
    return {
        "authorization_endpoint": f"{auth}/authorize",
        "grant_types_supported": ["client_credentials", "authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "scopes_supported": ["system/*.cruds", "user/*.cruds", OPENID, FHIR_USER, ONLINE, OFFLINE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ID_ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "fhirUser"],
        "capabilities": [*_SYSTEMS, *_PEOPLE],
    }
