"""From what a client wants written to the version that waits for its commit: validated, indexed, stamped, nothing written yet.

A transaction asks each owner to prepare its entries and commits them all at once (docs/adr/0001), so create, update, patch and delete
are prepared here and nowhere else.
"""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from services.fhir.access.grants import Opens
from services.fhir.body import stamp
from services.fhir.headers import etags
from services.fhir.interactions.answers import deleted, unknown
from services.fhir.interactions.reach import decide
from services.fhir.outcomes import bad_request, conflict, precondition_failed, unprocessable
from services.fhir.patch import apply_patch
from services.fhir.references import conditional, literal_references
from services.fhir.search.index import IndexRow, index
from services.fhir.service import Service
from services.fhir.store.rows import Stored, Write
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store
from services.fhir.validation import parse, validate

Json = dict[str, Any]

_MOST_TEXT: Final = 1024 * 1024 - 1


class Intent(msgspec.Struct, frozen=True):
    """One write as asked for. A create's `id` is empty unless the coordinator of a transaction has assigned it.

    `patch` is the content type of a PATCH's body. A conditional update's body may name no id, and one that matched nothing
    must be new under the id that it names.
    """

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    type: str
    id: str = ""
    body: bytes = b""
    if_match: str | None = None
    if_none_match: str | None = None
    patch: str = ""
    names_no_id: bool = False
    is_new: bool = False


async def prepare(intent: Intent, store: Store, service: Service) -> Write | None:
    """The version to commit; None for a deletion of what is not there."""
    match intent.method:
        case "POST":
            return prepare_create(intent, service)
        case "PUT":
            return await prepare_update(intent, store, service)
        case "PATCH":
            return await prepare_patch(intent, store, service)
        case "DELETE":
            return await prepare_delete(intent, store, service)


def prepare_create(intent: Intent, service: Service) -> Write:
    service.check(intent.type, "create")
    resource = parse(intent.body, intent.type)
    validate(resource)
    return _version(intent, intent.body, resource, None, service)


async def prepare_update(intent: Intent, store: Store, service: Service) -> Write:
    service.check(intent.type, "update")
    resource = parse(intent.body, intent.type)
    _check_id(resource, intent)
    validate(resource)
    _check_whole(resource)
    current = await store.to_write(intent.type, intent.id)
    check_preconditions(intent, current)
    if intent.is_new and current is not None and not current.is_deleted:
        raise conflict(
            "A resource with this id is there, and does not match the criteria", text="该 id 的资源已存在，但不符合条件"
        )
    return _version(intent, intent.body, resource, current, service)


async def prepare_patch(intent: Intent, store: Store, service: Service) -> Write:
    """The patched resource is validated like one that was sent whole: http://hl7.org/fhir/R4/http.html#patch"""
    service.check(intent.type, "patch")
    current = await store.to_write(intent.type, intent.id)
    check_preconditions(intent, current)
    if current is None:
        raise unknown(intent.type)
    if current.body is None:
        raise deleted(current)
    body = apply_patch(current.body.encode(), intent.patch, intent.body)
    resource = parse(body, intent.type)
    _check_id(resource, intent)
    validate(resource)
    _check_whole(resource)
    return _version(intent, body, resource, current, service)


async def prepare_delete(intent: Intent, store: Store, service: Service) -> Write | None:
    """A resource out of reach is not there: nothing to delete."""
    service.check(intent.type, "delete")
    current = await store.to_delete(intent.type, intent.id)
    check_preconditions(intent, current)
    if current is None or current.is_deleted:
        return None
    now = _next_instant(service, current)
    return Write(
        intent.type,
        intent.id,
        current.shard,
        current.version + 1,
        now,
        "DELETE",
        None,
        None,
        current.patient,
        current.author,
        current.patients,
        current.labels,
        opens=Opens() if intent.type in service.openings or intent.type == "Patient" else None,
        identities=() if intent.type == "Patient" else None,
    )


def check_preconditions(intent: Intent, current: Stored | None) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency; `If-None-Match: *` means: only if there is none."""
    if intent.if_match is None and intent.if_none_match is None:
        return
    version = str(current.version) if current is not None and not current.is_deleted else None
    if intent.if_match is not None:
        wanted = etags(intent.if_match)
        if version is None or (wanted is not None and version not in wanted):
            raise precondition_failed(
                "The resource is not at the version of If-Match", text="数据已被他人修改，请刷新后重试"
            )
    if intent.if_none_match is not None:
        unwanted = etags(intent.if_none_match)
        if version is not None and (unwanted is None or version in unwanted):
            raise precondition_failed("The resource is there, against If-None-Match", text="资源已存在")


def _check_id(resource: Json, intent: Intent) -> None:
    """http://hl7.org/fhir/R4/http.html#update: the body names the id of the URL."""
    if resource.get("id") != intent.id and not (intent.names_no_id and "id" not in resource):
        raise bad_request(
            "The id in the body must be the id in the URL",
            code="value",
            text="资源 id 与网址中的 id 不一致",
            expression=(f"{intent.type}.id",),
        )


def _check_whole(resource: Json) -> None:
    """A part of a resource, as `_summary` and `_elements` answer it, would delete the rest: http://hl7.org/fhir/R4/search.html#summary"""
    if any(tag.get("code") == "SUBSETTED" for tag in resource.get("meta", {}).get("tag", ())):
        raise unprocessable(
            "A SUBSETTED resource is a part of one and cannot replace the whole",
            code="business-rule",
            text="该内容只是资源的一部分（SUBSETTED），不能用于更新",
            expression=(f"{resource['resourceType']}.meta.tag",),
        )


def _next_instant(service: Service, current: Stored | None) -> datetime:
    """A later version is never dated before an earlier one, whatever the clocks of two workers say."""
    now = service.clock.now()
    return max(now, current.updated) if current else now


def _check_indexable(found: IndexRow) -> None:
    """https://www.postgresql.org/docs/current/textsearch-limitations.html: 1 MB of text to search by."""
    if sum(map(len, found.strings)) <= _MOST_TEXT // 4:
        return
    if sum(len(text.encode()) for text in found.strings) > _MOST_TEXT:
        raise unprocessable(
            "The resource has more text to search by than fits an index", code="too-long", text="可检索文本过长"
        )


def _check_resolved(body: bytes, resource: Json, service: Service) -> None:
    """A reference by criteria is resolved in a transaction, and only there: http://hl7.org/fhir/R4/http.html#trules"""
    if b"?" in body and any(conditional(reference, service.base) for reference in literal_references(resource)):
        raise unprocessable(
            "A reference by criteria can be resolved in a transaction only",
            code="not-supported",
            text="按条件的引用仅可用于事务",
        )


def _version(intent: Intent, body: bytes, resource: Json, current: Stored | None, service: Service) -> Write:
    """A resource bound to a patient lies on the patient's shard and carries it in the id that the server assigns."""
    now = _next_instant(service, current)
    if intent.type == "Patient":
        resource["id"] = intent.id or new_id(now)
    found = index(intent.type, service.base, service.zone)(resource)
    _check_indexable(found)
    _check_resolved(body, resource, service)
    bound = shard_of(found.patient) if found.patient else None
    resource_id = intent.id or (found.patient if intent.type == "Patient" and found.patient else new_id(now, bound))
    shard = shard_of(resource_id) if bound is None else bound
    version = current.version + 1 if current else 1
    seen = decide(intent.type, resource_id, resource, found, current, now, service)
    return Write(
        type=intent.type,
        id=resource_id,
        shard=shard,
        version=version,
        updated=now,
        method=intent.method,
        body=stamp(body, intent.type, resource_id, version, now),
        index=found,
        patient=found.patient,
        created=current is None or current.is_deleted,
        client_assigned=intent.method == "PUT" and current is None and shard != shard_of(resource_id),
        moved_from=current.shard if current and current.shard != shard else None,
        author=seen.author,
        patients=seen.patients,
        labels=seen.labels,
        refers=seen.refers,
        opens=seen.opens,
        identities=seen.identities,
        is_wider=seen.is_wider,
    )
