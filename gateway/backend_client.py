"""The other side of the token endpoint: what a HIS does to get a token, for the command line, the demo and the tests.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

from typing import Any

import httpx

from gateway.jws import sign
from services.kit.ids import uuid7

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_SECONDS = 60


class TokenError(Exception):
    """The token endpoint said no; the message is the one that it gave."""


def client_assertion(client_id: str, kid: str, private_key: str, token_url: str, now: float) -> str:
    """Return an assertion for one token request; `private_key` in PEM, RS384."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "jti": uuid7(),
        "iat": int(now),
        "exp": int(now) + LIFE_SECONDS,
    }
    return sign({"typ": "JWT", "kid": kid}, claims, private_key, "RS384")


def token_request(assertion: str, scope: str) -> dict[str, str]:
    """Return the form that is posted to the token endpoint."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": scope,
    }


async def fetch_token(
    http: httpx.AsyncClient, base: str, client_id: str, kid: str, private_key: str, scope: str, now: float
) -> dict[str, Any]:
    """Find the token endpoint of a FHIR base and return its answer (`access_token`, `expires_in`, `scope`)."""
    configuration = (await http.get(f"{base}/.well-known/smart-configuration")).raise_for_status().json()
    token_url = configuration["token_endpoint"]
    form = token_request(client_assertion(client_id, kid, private_key, token_url, now), scope)
    answer = await http.post(token_url, data=form)
    document: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK:
        raise TokenError(f"{document.get('error')}: {document.get('error_description')}")
    return document
