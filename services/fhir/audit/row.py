"""From a request to the row that remembers it; AuditEvents are made from these rows: https://profiles.ihe.net/ITI/BALP/"""

from datetime import datetime

from services.fhir.store.rows import AuditRow, Stored
from services.fhir.store.shards import new_id, shard_of
from services.kit.caller import Caller


def row(
    at: datetime,
    caller: Caller,
    interaction: str,
    status: int,
    resource_type: str | None,
    resource_id: str | None,
    *,
    of: Stored | None = None,
    query: str | None = None,
) -> AuditRow:
    """One access: who (client, organization, practitioner), why (purpose), to what (type, id, version, patient or query)."""
    patient = of.patient if of else None
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
        query=query,
        shard=shard,
    )
