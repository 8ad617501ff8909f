"""What a statement must know of the caller to see no more than the caller may (docs/adr/0011)."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from services.fhir.access.labels import clearance
from services.fhir.access.purposes import CARE, OVERRIDING
from services.kit.caller import Caller


class Access(msgspec.Struct, frozen=True):
    """For whom the statement is: an organization, or one `person` about whom the record is.

    `clearance` are the labels that may be seen; `is_system` sees everything and is given to work of the platform itself, never
    to a request.
    """

    organization: str
    purpose: str
    at: datetime
    clearance: tuple[str, ...] = ()
    person: str | None = None
    is_system: bool = False

    @property
    def is_care(self) -> bool:
        """Care and what it needs: the purposes for which a basis need not name them."""
        return self.purpose in CARE

    @property
    def may_override(self) -> bool:
        """In an emergency, where a grant says so, neither a denial nor a label stands in the way."""
        return self.purpose in OVERRIDING


SYSTEM: Final = Access("", "", datetime(1970, 1, 1, tzinfo=UTC), is_system=True)
NOBODY: Final = Access("", "", datetime(1970, 1, 1, tzinfo=UTC))


def access_of(caller: Caller, at: datetime, cleared: tuple[str, ...] = ()) -> Access:
    """What a request's caller may; `cleared` are the labels that the setting gives its organization."""
    kind, _, patient = (caller.practitioner or "").partition("/")
    return Access(
        organization=caller.organization,
        purpose=caller.purpose,
        at=at,
        clearance=clearance(caller.purpose, cleared),
        person=patient if kind == "Patient" else None,
    )
