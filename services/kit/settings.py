"""What a service must be told: one frozen record per deployable, read once from `YIYANG_…` variables."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.caller import split_key
from services.kit.crypto import CipherName, HashName

MIN_KEY_BYTES = 32


class AuditSettings(BaseSettings):
    """How the audit is chained and how long it is kept."""

    model_config = SettingsConfigDict(env_prefix="YIYANG_", frozen=True, extra="ignore")

    audit_key: Annotated[
        SecretStr | None,
        Field(
            min_length=MIN_KEY_BYTES, description="key of the audit chain, ≥ 32 bytes; none: the internal key's first"
        ),
    ] = None
    audit_hash: Annotated[HashName, Field(description="hash of the audit chain: sha256 or sm3")] = "sha256"
    audit_months: Annotated[
        int,
        Field(ge=6, le=1200, description="months that audit rows are kept before `yiyang audit prune` may delete them"),
    ] = 12
    audit_lasting_months: Annotated[
        int, Field(ge=36, le=1200, description="the same for what is remembered of consents and emergencies")
    ] = 36


class IdentifierSettings(BaseSettings):
    """How identifiers of persons are kept at rest."""

    model_config = SettingsConfigDict(env_prefix="YIYANG_", frozen=True, extra="ignore")

    identifier_key: Annotated[
        SecretStr | None,
        Field(
            min_length=MIN_KEY_BYTES,
            description="key under which national IDs are encrypted at rest, ≥ 32 bytes; none: they are not. While it is exchanged "
            "`first,second`: the first encrypts, both open",
        ),
    ] = None
    identifier_cipher: Annotated[CipherName, Field(description="their cipher: aes-256-gcm or sm4-gcm")] = "aes-256-gcm"
    identifier_systems: Annotated[
        tuple[str, ...], Field(description="identifier systems whose values are encrypted, as JSON")
    ] = (
        "urn:oid:2.16.156.10011.1.3",
        "urn:oid:2.16.840.1.113883.2.23.1.19.1",
        "http://NamingSystem.hl7fhir.cn/identityDocument",
        "urn:oid:2.16.156.10011.1.19",
    )

    @property
    def identifier_secrets(self) -> tuple[bytes, ...]:
        """The key that encrypts, then the others that open; none where nothing is encrypted."""
        return split_key(self.identifier_key.get_secret_value().encode()) if self.identifier_key else ()


class ServiceSettings(AuditSettings, IdentifierSettings):
    """Settings shared by records, referral and care. Every field is an environment variable `YIYANG_<FIELD>`."""

    database_url: Annotated[str, Field(description="postgresql://… of the one logical database")]
    internal_key: Annotated[
        SecretStr,
        Field(
            min_length=MIN_KEY_BYTES, description="key of the gateway's signature on the Caller, ≥ 32 bytes; no default"
        ),
    ]
    public_base: Annotated[str, Field(description="the FHIR base that clients see")] = "http://127.0.0.1:8000/fhir"
    peers: Annotated[
        dict[str, str],
        Field(
            description='base URLs of the other services as JSON, {"care": "http://care:8000"}; empty in one process'
        ),
    ] = {}
    time_zone: Annotated[str, Field(description="zone of date values that carry none")] = "Asia/Shanghai"
    working_hours: Annotated[
        str, Field(description="hours of a working day, by which routine clocks of a referral count")
    ] = "08:00-12:00,14:00-18:00"
    pool_size: Annotated[int, Field(ge=1, le=64, description="database connections per process and service")] = 8
    max_entries: Annotated[int, Field(ge=1, description="entries of one batch or transaction")] = 5000
    search_seconds: Annotated[
        float, Field(gt=0, le=600, description="how long a search may take before it is refused as too costly")
    ] = 20.0
    keep_hours: Annotated[int, Field(ge=1, le=168, description="how long the files of a bulk job can be fetched")] = 24
    idempotency_days: Annotated[
        int, Field(ge=7, le=365, description="how long the answer to a request with an Idempotency-Key is remembered")
    ] = 7
    grace_days: Annotated[
        int, Field(ge=0, le=3650, description="how long an institution still sees a patient after its care has ended")
    ] = 30
    clearances: Annotated[
        dict[str, tuple[str, ...]],
        Field(
            description='security labels that organizations may see, as JSON: {"wuhai-mental-hospital": ["V", "PSY"]}'
        ),
    ] = {}
    outbound_networks: Annotated[
        tuple[str, ...],
        Field(
            description='networks whose endpoints may be notified although they are not public, as JSON, ["10.1.0.0/16"]; also without TLS'
        ),
    ] = ()
    notification_hours: Annotated[
        int, Field(ge=1, le=720, description="how long a notification is tried before it is a dead letter")
    ] = 96
    notification_keep_days: Annotated[
        int, Field(ge=1, le=3650, description="how long the events of subscriptions can be asked for and sent again")
    ] = 30
    instruments: Annotated[
        Path | None,
        Field(description="folder of assessment instruments that come before the shipped ones: docs/instruments.md"),
    ] = None
    surveys: Annotated[
        Path | None,
        Field(description="folder of satisfaction surveys, Questionnaires, that come before the shipped ones"),
    ] = None
    indicators: Annotated[
        Path | None,
        Field(description="folder of indicators that come before the shipped ones: docs/indicators.md"),
    ] = None
    indicator_targets: Annotated[
        Path | None,
        Field(description="file of targets by year and division that come before the shipped ones: docs/indicators.md"),
    ] = None
    supervisors: Annotated[
        dict[str, tuple[str, ...]],
        Field(
            description="organizations that may have the figures of all institutions of a division, as aggregates, by the beginnings of its "
            'code, as JSON: {"wuhai-health-commission": ["1503"]}'
        ),
    ] = {}
    smallest_cell: Annotated[
        int, Field(ge=2, le=100, description="the smallest number of persons that a supervisor is told")
    ] = 5
    care_plans: Annotated[
        Path | None,
        Field(description="folder of plans that come before those of the library: docs/care-plans.md"),
    ] = None
    alert_rules: Annotated[
        Path | None,
        Field(description="folder of monitoring rules that come before the shipped ones: docs/monitoring.md"),
    ] = None
    alert_chains: Annotated[
        Path | None,
        Field(description="folder of chains of who is told of an alert, before the shipped ones: docs/monitoring.md"),
    ] = None
    v2_mappings: Annotated[
        Path | None,
        Field(
            description="folder of HL7 v2 mappings, `<client id>.json` each, merged over the shipped one: docs/v2.md"
        ),
    ] = None
    v2_keep_days: Annotated[
        int, Field(ge=30, le=3650, description="how long HL7 v2 messages and their acknowledgements are kept")
    ] = 180
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("outbound_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in value)

    @property
    def audit_secret(self) -> bytes:
        """A chain without a key of its own can't tell, once the internal key was exchanged, who made its older blocks."""
        own = self.audit_key or self.internal_key
        return split_key(own.get_secret_value().encode())[0]
