"""What a token says of its bearer: a system, or a person at an app (RFC 9068).

https://www.rfc-editor.org/rfc/rfc9068#section-2.2
"""

import msgspec

TREATMENT = "TREAT"  # http://terminology.hl7.org/CodeSystem/v3-ActReason


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a token is made.

    `practitioner` is the reference of the person (Practitioner/1; Patient/1 for an elder), `account` the id of the account and `family` that
    of the login: both empty for a system. `purposes` may be stated, the first is meant when none is. `rate` replaces the limit of the settings.
    """

    client: str
    organization: str
    practitioner: str | None = None
    account: str = ""
    family: str = ""
    purposes: tuple[str, ...] = (TREATMENT,)
    rate: int = 0


class Session(Bearer, frozen=True, kw_only=True):
    """What a verified token says. `scopes` are those of FHIR, `rights` all others; times in seconds since 1970."""

    scopes: tuple[str, ...]
    rights: frozenset[str] = frozenset()
    jti: str
    kid: str = ""
    issued_at: float
    expires_at: float
