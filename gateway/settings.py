"""What the gateway must be told, read once from `YIYANG_…` variables; nothing secret has a default."""

from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.provider_settings import ProviderSettings
from services.kit.caller import check_key, split_key

FHIR_PATH = "/fhir"
MAX_TOKEN_SECONDS = 300


class GatewaySettings(BaseSettings):
    """Every field is an environment variable `YIYANG_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="YIYANG_", frozen=True, extra="ignore")

    database_url: Annotated[str, Field(description="postgresql://… of the one logical database")]
    internal_key: Annotated[
        SecretStr,
        Field(
            description="key of the signature on the Caller, the same in all services: ≥ 32 random bytes; no default. "
            "While it is exchanged `first,second`: the first signs, both are accepted"
        ),
    ]
    public_base: Annotated[
        str, Field(description="the FHIR base that clients see; ends in /fhir; its front part also carries /auth")
    ] = "http://127.0.0.1:8000/fhir"
    peers: Annotated[
        dict[str, str],
        Field(
            description='base URLs of the services as JSON, {"records": "http://records:8000"}; empty in one process'
        ),
    ] = {}
    base_service: Annotated[str, Field(description="who answers batch, transaction, system search and metadata")] = (
        "records"
    )
    peer_timeout_seconds: Annotated[float, Field(gt=0, description="how long a service may take for one answer")] = 60
    token_seconds: Annotated[int, Field(ge=10, le=MAX_TOKEN_SECONDS, description="life of an access token")] = 300
    assertion_algorithms: Annotated[
        tuple[Literal["RS384", "ES384"], ...], Field(min_length=1, description="signatures taken from clients")
    ] = ("RS384", "ES384")
    max_bundle_bytes: Annotated[
        int, Field(ge=1, description="body cap of a POST to the base, to $import or to $ingest")
    ] = 50_000_000
    max_body_bytes: Annotated[int, Field(ge=1, description="body cap of everything else")] = 5_000_000
    rate_per_second: Annotated[
        int, Field(ge=1, description="requests that one client may make, on all replicas together; 429 beyond")
    ] = 10_000
    person_rate_per_second: Annotated[int, Field(ge=1, description="the same for one person at an app")] = 50
    login_rate_per_second: Annotated[int, Field(ge=1, description="the same for logins of all people together")] = 10
    session_seconds: Annotated[
        int, Field(ge=60, le=86_400, description="how long a person stays logged in at a browser")
    ] = 28_800
    idle_seconds: Annotated[int, Field(ge=60, description="how long a login may be left alone")] = 1_800
    offline_seconds: Annotated[
        int, Field(ge=3_600, description="how long an app may refresh its tokens with offline_access")
    ] = 2_592_000
    cors_origins: Annotated[
        tuple[str, ...],
        Field(description='origins of browser apps as JSON, ["https://portal.example.org"]; none: closed'),
    ] = ()
    provider: Annotated[
        ProviderSettings | None,
        Field(
            description="an OpenID provider elsewhere in place of the logins here, as JSON; its fields: gateway/provider_settings.py"
        ),
    ] = None
    outbound_networks: Annotated[
        tuple[str, ...],
        Field(
            description='networks that may be called although they are not public, as JSON, ["10.1.0.0/16"]; also without TLS'
        ),
    ] = ()
    pool_size: Annotated[int, Field(ge=1, le=64, description="database connections per process")] = 2
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("internal_key")
    @classmethod
    def _is_strong(cls, value: SecretStr) -> SecretStr:
        check_key(value.get_secret_value().encode())
        return value

    @field_validator("outbound_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in value)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError("an origin is https://host or https://host:port, exactly as browsers send it")
        return value

    @field_validator("public_base")
    @classmethod
    def _is_fhir_base(cls, value: str) -> str:
        base = value.rstrip("/")
        if not base.startswith(("http://", "https://")) or not base.endswith(FHIR_PATH):
            raise ValueError(f"the public base is an http(s) URL that ends in {FHIR_PATH}")
        return base

    @property
    def key(self) -> bytes:
        """The internal key that signs and seals."""
        return self.keys[0]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every internal key that is accepted, the one that signs first."""
        return split_key(self.internal_key.get_secret_value().encode())

    @property
    def front(self) -> str:
        """The public URL in front of /fhir, /auth and /.well-known."""
        return self.public_base.removesuffix(FHIR_PATH)

    @property
    def token_url(self) -> str:
        return f"{self.front}/auth/token"
