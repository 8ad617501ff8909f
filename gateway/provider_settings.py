"""An OpenID provider elsewhere whose access tokens are taken: who it is, and which of its claims mean what here.

https://openid.net/specs/openid-connect-discovery-1_0.html · https://www.rfc-editor.org/rfc/rfc9068
"""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.roles import ROLES

Algorithm = Literal["RS256", "RS384", "RS512", "ES256", "ES384"]
MAX_TOKEN_SECONDS = 3_600


class ProviderSettings(BaseModel):
    """One JSON object in `YIYANG_PROVIDER`. A claim within another is named by its path: `realm_access.roles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(description="exactly as in its tokens")]
    audience: Annotated[str, Field(min_length=1, description="what its tokens call this server; no client's id")]
    jwks_uri: Annotated[
        str | None, Field(description="where its keys are; found by discovery where it is left out")
    ] = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1, description="signatures taken")] = ("RS256",)
    max_token_seconds: Annotated[
        int, Field(ge=30, le=MAX_TOKEN_SECONDS, description="the longest life of a token that is taken")
    ] = 300
    client_claim: Annotated[str, Field(description="the client, by the id that is registered here")] = "azp"
    organization_claim: Annotated[str, Field(description="the id of the person's Organization")] = "organization"
    person_claim: Annotated[str, Field(description="the person: Practitioner/1, or its URL")] = "fhirUser"
    roles_claim: Annotated[str, Field(description="the roles, a list of texts")] = "roles"
    roles: Annotated[Mapping[str, str], Field(description="its name of a role → ours, where they differ")] = {}

    @field_validator("issuer", "jwks_uri")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("a URL of http(s) is needed")
        return value

    @field_validator("roles")
    @classmethod
    def _are_known(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for role in value.values():
            if role not in ROLES:
                raise ValueError(f"{role}: not a role; they are {', '.join(ROLES)}")
        return value
