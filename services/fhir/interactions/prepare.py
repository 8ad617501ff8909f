"""From what a client wants written to the version that waits for its commit: validated, indexed, stamped, nothing written yet.

A transaction asks each owner to prepare its entries and commits them all at once (docs/adr/0001), so create, update and delete are
prepared here and nowhere else.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from services.fhir.body import stamp
from services.fhir.headers import etags
from services.fhir.outcomes import bad_request, precondition_failed
from services.fhir.search.index import index
from services.fhir.service import Service
from services.fhir.store.rows import Stored, Write
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store
from services.fhir.validation import parse, validate

Json = dict[str, Any]


class Intent(msgspec.Struct, frozen=True):
    """One write as asked for. A create's `id` is empty unless the coordinator of a transaction has assigned it."""

    method: Literal["POST", "PUT", "DELETE"]
    type: str
    id: str = ""
    body: bytes = b""
    if_match: str | None = None


async def prepare(intent: Intent, store: Store, service: Service) -> Write | None:
    """The version to commit; None for a deletion of what is not there."""
    match intent.method:
        case "POST":
            return prepare_create(intent, service)
        case "PUT":
            return await prepare_update(intent, store, service)
        case "DELETE":
            return await prepare_delete(intent, store, service)


def prepare_create(intent: Intent, service: Service) -> Write:
    service.check(intent.type, "create")
    resource = parse(intent.body, intent.type)
    validate(resource)
    return _version(intent, resource, None, service)


async def prepare_update(intent: Intent, store: Store, service: Service) -> Write:
    service.check(intent.type, "update")
    resource = parse(intent.body, intent.type)
    _check_id(resource, intent)
    validate(resource)
    current = await store.read(intent.type, intent.id)
    check_if_match(intent.if_match, current)
    return _version(intent, resource, current, service)


async def prepare_delete(intent: Intent, store: Store, service: Service) -> Write | None:
    service.check(intent.type, "delete")
    current = await store.read(intent.type, intent.id)
    check_if_match(intent.if_match, current)
    if current is None or current.is_deleted:
        return None
    now = _next_instant(service, current)
    return Write(intent.type, intent.id, current.shard, current.version + 1, now, "DELETE", None, None, current.patient)


def check_if_match(if_match: str | None, current: Stored | None) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency"""
    if if_match is None:
        return
    wanted = etags(if_match)
    is_there = current is not None and not current.is_deleted
    if not is_there or (wanted is not None and str(current.version) not in wanted):  # type: ignore[union-attr]
        raise precondition_failed(
            "The resource is not at the version of If-Match", text="数据已被他人修改，请刷新后重试"
        )


def _check_id(resource: Json, intent: Intent) -> None:
    """http://hl7.org/fhir/R4/http.html#update: the body names the id of the URL."""
    if resource.get("id") != intent.id:
        raise bad_request(
            "The id in the body must be the id in the URL",
            code="value",
            text="资源 id 与网址中的 id 不一致",
            expression=(f"{intent.type}.id",),
        )


def _next_instant(service: Service, current: Stored | None) -> datetime:
    """A later version is never dated before an earlier one, whatever the clocks of two workers say."""
    now = service.clock.now()
    return max(now, current.updated) if current else now


def _version(intent: Intent, resource: Json, current: Stored | None, service: Service) -> Write:
    """A resource bound to a patient lies on the patient's shard and carries it in the id that the server assigns."""
    now = _next_instant(service, current)
    if intent.type == "Patient":
        resource["id"] = intent.id or new_id(now)
    found = index(intent.type, service.base, service.zone)(resource)
    bound = shard_of(found.patient) if found.patient else None
    resource_id = intent.id or (found.patient if intent.type == "Patient" and found.patient else new_id(now, bound))
    shard = shard_of(resource_id) if bound is None else bound
    version = current.version + 1 if current else 1
    return Write(
        type=intent.type,
        id=resource_id,
        shard=shard,
        version=version,
        updated=now,
        method="POST" if intent.method == "POST" else "PUT",
        body=stamp(intent.body, intent.type, resource_id, version, now),
        index=found,
        patient=found.patient,
        created=current is None or current.is_deleted,
        client_assigned=intent.method == "PUT" and current is None and shard != shard_of(resource_id),
        moved_from=current.shard if current and current.shard != shard else None,
    )
