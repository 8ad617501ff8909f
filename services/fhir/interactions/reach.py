"""Who will see a version, and what it opens: decided when it is prepared, written with it (docs/adr/0011)."""

from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.access.grants import Moment, Opening, Opens
from services.fhir.access.identity import identities_of
from services.fhir.access.labels import labels_of, removed
from services.fhir.access.patients import element_of, patients_of, referenced
from services.fhir.outcomes import forbidden
from services.fhir.search.index import IndexRow
from services.fhir.service import Service
from services.fhir.store.rows import Stored

Json = dict[str, Any]


class _Identified(msgspec.Struct):
    identifier: list[Json] = []


_decode_identified: Final = msgspec.json.Decoder(_Identified).decode


class Reach(msgspec.Struct, frozen=True):
    """The parts of a `Write` that the access predicate, the references and the bases are made of."""

    author: str | None
    patients: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    refers: tuple[tuple[str, str], ...]
    opens: Opens | None
    identities: tuple[str, ...] | None
    is_wider: bool


def decide(
    resource_type: str,
    resource_id: str,
    resource: Json,
    index: IndexRow,
    current: Stored | None,
    now: datetime,
    service: Service,
) -> Reach:
    access = service.stores.access
    patients = patients_of(resource_type, resource_id, index.tokens, resource)
    labels = labels_of(resource)
    if current is not None:
        _check_labels(resource_type, current, labels, access)
    own = patients == ((index.patient,) if index.patient else ())
    return Reach(
        author=current.author if current else access.organization or None,
        patients=None if own else patients,
        labels=labels or None,
        refers=_refers(resource_type, resource_id, index, patients),
        opens=_opens(resource_type, resource_id, resource, current, now, service),
        identities=_identities(resource, current) if resource_type == "Patient" else None,
        is_wider=current is not None and _is_wider(current, patients, labels),
    )


def _identities(patient: Json, current: Stored | None) -> tuple[str, ...] | None:
    """None where they are those of the version before, which has claimed them."""
    found = identities_of(patient)
    if current is None or current.body is None:
        return found
    before = _decode_identified(current.body).identifier
    return None if identities_of({"identifier": before}) == found else found


def _refers(
    resource_type: str, resource_id: str, index: IndexRow, patients: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Each patient once, with the first element that names it; the resource itself is none of them.

    No search parameter finds the security context of a Binary: http://hl7.org/fhir/R4/binary.html#security
    """
    found: dict[str, str] = dict.fromkeys(patients, "Binary.securityContext") if resource_type == "Binary" else {}
    for code, patient in referenced(resource_type, index.tokens):
        if not (resource_type == "Patient" and patient == resource_id):
            found.setdefault(patient, element_of(resource_type, code))
    return tuple((element, patient) for patient, element in found.items())


def _check_labels(resource_type: str, current: Stored, labels: tuple[str, ...], access: Access) -> None:
    dropped = removed(current.labels or (), labels, access.clearance)
    if dropped and not access.is_system:
        raise forbidden(
            f"The label {dropped[0]} can be removed only by who is cleared for it",
            text="无权移除该安全标签",
            expression=(f"{resource_type}.meta.security",),
        )


def _opens(
    resource_type: str, resource_id: str, resource: Json, current: Stored | None, now: datetime, service: Service
) -> Opens | None:
    """A person who is new here is the patient of who registers it, for a while; all else is the rule of the type's owner."""
    organization = service.stores.access.organization
    if resource_type == "Patient":
        if current is not None or not organization:
            return None
        return Opens((Opening(resource_id, organization, "registration", now, now + service.grace),))
    rule = service.openings.get(resource_type)
    return rule(resource, Moment(now, organization, resource_id, service.grace)) if rule else None


def _is_wider(current: Stored, patients: tuple[str, ...], labels: tuple[str, ...]) -> bool:
    before = current.patients if current.patients is not None else (current.patient,) if current.patient else ()
    return bool({*patients} - {*before} or {*labels} - {*(current.labels or ())})
