"""What a statement must know of the caller to see no more than the caller may (docs/adr/0011)."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from services.fhir.access.labels import clearance
from services.fhir.access.limits import Limits
from services.fhir.access.purposes import CARE, OVERRIDING
from services.kit.caller import Caller

PROXY: Final = "RelatedPerson/"
PARTIES: Final = frozenset({"Patient", "RelatedPerson"})


class Access(msgspec.Struct, frozen=True):
    """For whom the statement is: an organization, or one `person` about whom the record is.

    A person who asks for herself, or for another as a proxy, is a party of her own, whichever institution has opened the portal to
    her: `organization` is then her reference, and nothing that the institution may is hers.
    `clearance` are the labels that may be seen; `is_system` sees everything and is given to work of the platform itself, never
    to a request. `limits` are those of scopes that grant a type in part, None where none does.
    """

    organization: str
    purpose: str
    at: datetime
    clearance: tuple[str, ...] = ()
    person: str | None = None
    is_system: bool = False
    limits: Limits | None = None

    @property
    def proxy(self) -> str | None:
        """The id of the RelatedPerson who asks for a patient."""
        return self.organization.removeprefix(PROXY) if self.organization.startswith(PROXY) else None

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


def access_of(caller: Caller, at: datetime, cleared: tuple[str, ...] = (), limits: Limits | None = None) -> Access:
    """What a request's caller may; `cleared` are the labels that the setting gives its organization."""
    reference = caller.practitioner or ""
    kind, _, patient = reference.partition("/")
    is_party = kind in PARTIES
    return Access(
        organization=reference if is_party else caller.organization,
        purpose=caller.purpose,
        at=at,
        clearance=clearance(caller.purpose, () if is_party else cleared),
        person=patient if kind == "Patient" else None,
        limits=limits,
    )
