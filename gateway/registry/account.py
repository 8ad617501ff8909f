"""What an account is: one person of one organization, with roles; and what may be registered as one."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from gateway import scopes
from gateway.registry.client import FHIR_ID, RegistrationError
from gateway.roles import ROLES

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}", re.ASCII)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`person` is a reference (Practitioner/1), `password` a hash, `totp` a sealed secret."""

    id: str
    name: str
    organization: str
    person: str
    roles: tuple[str, ...]
    password: str
    must_change: bool
    totp: str | None = None
    totp_step: int = 0
    is_disabled: bool = False
    tokens_after: datetime | None = None
    created_at: datetime

    @property
    def needs_totp(self) -> bool:
        return any(ROLES[role].needs_totp for role in self.roles)

    def is_void(self, since: datetime) -> bool:
        """Tell whether a login of that time is worth nothing any more."""
        return self.is_disabled or (self.tokens_after is not None and since <= self.tokens_after)


def check_account(name: str, organization: str, person: str, roles: Sequence[str]) -> None:
    """Raise RegistrationError for what is no account."""
    if not _NAME.fullmatch(name):
        raise RegistrationError("an account name is 3 to 64 of a-z 0-9 . _ - and begins with a letter or digit")
    if not FHIR_ID.fullmatch(organization):
        raise RegistrationError("the organization is the id of an Organization resource: 1 to 64 of A-Z a-z 0-9 . -")
    if not roles:
        raise RegistrationError(f"at least one role is needed: {', '.join(_roles_of_people())}")
    kind, _, identifier = person.partition("/")
    for role in roles:
        _check_role(role, kind)
    if not FHIR_ID.fullmatch(identifier):
        raise RegistrationError("the person is a reference, e.g. Practitioner/1")


def _check_role(role: str, kind: str) -> None:
    if role not in _roles_of_people():
        raise RegistrationError(f"{role}: not a role of people; they are {', '.join(_roles_of_people())}")
    if kind not in ROLES[role].people:
        raise RegistrationError(f"{role}: the person must be a {' or '.join(ROLES[role].people)}, e.g. Practitioner/1")
    if ROLES[role].context == "patient" and kind not in scopes.OWN_RECORD_IS_ENFORCED_FOR:
        raise RegistrationError(f"{role}: scopes for a patient's own record are not enforced here yet")


def _roles_of_people() -> list[str]:
    return [code for code, role in ROLES.items() if role.context != "system"]
