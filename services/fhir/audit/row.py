"""From a request to the row that remembers it; AuditEvents are made from these rows: https://profiles.ihe.net/ITI/BALP/"""

from collections.abc import Iterable
from datetime import datetime

from services.fhir.national_ids import masked
from services.fhir.store.rows import AuditRow, Stored
from services.fhir.store.shards import new_id, shard_of
from services.kit.caller import Caller


def row(  # noqa: PLR0913 - one column each
    at: datetime,
    caller: Caller,
    interaction: str,
    status: int,
    resource_type: str | None,
    resource_id: str | None,
    *,
    of: Stored | None = None,
    about: Iterable[str | None] = (),
    query: str | None = None,
) -> AuditRow:
    """One access: who (client, organization, practitioner), why (purpose), to what (type, id, version, patient or query).

    `about` are the patients of an answer with many resources.
    """
    patients = tuple(sorted({patient for patient in about if patient}))
    patient = of.patient if of else patients[0] if len(patients) == 1 else None
    if patient is None and not patients:
        patient = _named(caller, resource_type, resource_id)
    shard = of.shard if of else shard_of(patient or caller.client)
    return AuditRow(
        event=new_id(at, shard),
        at=at,
        interaction=interaction,
        status=status,
        client=caller.client,
        organization=caller.organization,
        practitioner=caller.practitioner,
        purpose=caller.purpose,
        request=caller.request_id,
        jti=caller.jti,
        type=of.type if of else resource_type,
        id=of.id if of else resource_id,
        version=of.version if of else None,
        patient=patient,
        query=masked(query) if query else query,
        shard=shard,
        patients=patients if len(patients) > 1 else None,
    )


def _named(caller: Caller, resource_type: str | None, resource_id: str | None) -> str | None:
    """The patient that the request itself names, or who asks about no one else."""
    if resource_type == "Patient" and resource_id:
        return resource_id
    kind, _, person = (caller.practitioner or "").partition("/")
    return person if kind == "Patient" else None
