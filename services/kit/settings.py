"""What a service must be told: one frozen record per deployable, read once from `YIYANG_…` variables."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_KEY_BYTES = 32


class ServiceSettings(BaseSettings):
    """Settings shared by records, referral and care. Every field is an environment variable `YIYANG_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="YIYANG_", frozen=True, extra="ignore")

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
    pool_size: Annotated[int, Field(ge=1, le=64, description="database connections per process and service")] = 8
    max_entries: Annotated[int, Field(ge=1, description="entries of one batch or transaction")] = 5000
    keep_hours: Annotated[int, Field(ge=1, le=168, description="how long the files of a bulk job can be fetched")] = 24
    grace_days: Annotated[
        int, Field(ge=0, le=3650, description="how long an institution still sees a patient after its care has ended")
    ] = 30
    clearances: Annotated[
        dict[str, tuple[str, ...]],
        Field(description='security labels that organizations may see, as JSON: {"wuhai-mental-hospital": ["V", "PSY"]}'),
    ] = {}
    log_level: Literal["debug", "info", "warning", "error"] = "info"
