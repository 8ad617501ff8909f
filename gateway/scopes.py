"""Which scopes this server grants: those of FHIR, and a few that are not about resources.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from services.fhir.access.limits import check_criteria
from services.fhir.definitions import resource_types
from services.fhir.scopes import ANY, Permissions, Scope, ScopeError, narrow, parse_scope

# A scope for a patient's own record covers less than its letters say: it is registered, granted and let through only while the services
# hold every resource to it.
OWN_RECORD_IS_ENFORCED_FOR = frozenset(
    {"Patient", "RelatedPerson"}
)  # an elder, a proxy: services/fhir/access/access.py

OPENID: Final = "openid"
FHIR_USER: Final = "fhirUser"
ONLINE: Final = "online_access"
OFFLINE: Final = "offline_access"
ADMIN_ORGANIZATION: Final = "admin/organization"  # the clients of the own organization
ADMIN_PLATFORM: Final = "admin/platform"  # the clients of all
OPS_METRICS: Final = "ops/metrics"  # what is measured
RIGHTS: Final = frozenset({OPENID, FHIR_USER, ONLINE, OFFLINE, ADMIN_ORGANIZATION, ADMIN_PLATFORM, OPS_METRICS})
OF_PEOPLE: Final = RIGHTS - {ADMIN_PLATFORM, OPS_METRICS}
OF_SYSTEMS: Final = frozenset({ADMIN_ORGANIZATION, ADMIN_PLATFORM, OPS_METRICS})
MAX_SCOPES: Final = 200


class Scopes(msgspec.Struct, frozen=True):
    """A list of scopes, taken apart: those of FHIR, and the others."""

    fhir: tuple[Scope, ...]
    rights: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join((*self.rights, *(scope.text for scope in self.fhir)))


def read_scopes(text: str) -> Scopes:
    """Return the scopes, each once, or raise ScopeError."""
    parts = tuple(dict.fromkeys(text.split()))
    if len(parts) > MAX_SCOPES:
        raise ScopeError(f"more than {MAX_SCOPES} scopes")
    return Scopes(
        tuple(parse_scope(part) for part in parts if part not in RIGHTS),
        tuple(part for part in parts if part in RIGHTS),
    )


def grant(asked: Scopes, *held: Scopes) -> Scopes:
    """Return what is asked for and held by each; never more than any of them, possibly nothing."""
    for holder in held:
        asked = Scopes(
            tuple(map(parse_scope, narrow(asked.fhir, holder.fhir))),
            tuple(right for right in asked.rights if right in holder.rights),
        )
    return asked


def check_grantable(scopes: Scopes, contexts: Iterable[str], rights: frozenset[str]) -> None:
    """Raise ScopeError for what could not be granted to this kind of client, or would not be enforced."""
    for right in scopes.rights:
        if right not in rights:
            raise ScopeError(f"{right}: not for this kind of client")
    for scope in scopes.fhir:
        if scope.context not in contexts:
            begins = " or ".join(f"{context}/" for context in contexts)
            raise ScopeError(f"{scope.text}: the scopes of this kind of client begin with {begins}")
        if scope.type != ANY and scope.type not in resource_types():
            raise ScopeError(f"{scope.text}: R4 has no resource type {scope.type}")
        _check_own_record(scope)
    check_parameters(scopes)


def check_parameters(scopes: Scopes) -> None:
    """Raise ScopeError for parameters to which no resource could be held: docs/adr/0049"""
    for scope in scopes.fhir:
        check_criteria(scope)


def _check_own_record(scope: Scope) -> None:
    if scope.context == "patient" and not OWN_RECORD_IS_ENFORCED_FOR:
        raise ScopeError(f"{scope.text}: scopes for a patient's own record are not enforced here yet")


@lru_cache(maxsize=4096)
def permissions_at_the_door(scopes: tuple[str, ...]) -> Permissions:
    """What a session may ask for at all; the parameters of a scope are kept by who carries the request out."""
    return Permissions(parse_scope(text) for text in scopes if _is_open(text))


def _is_open(text: str) -> bool:
    return bool(OWN_RECORD_IS_ENFORCED_FOR) or not text.startswith("patient/")
