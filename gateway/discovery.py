"""Where to find what: the SMART configuration of this server.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
"""

from typing import Any

from gateway.settings import GatewaySettings


def smart_configuration(settings: GatewaySettings) -> dict[str, Any]:
    auth = f"{settings.front}/auth"
    return {
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
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }
