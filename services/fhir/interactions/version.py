"""From a draft to the version that waits for its commit: indexed and stamped, nothing written yet.

Nobody else makes a `Write`: what is governed becomes one only when it was decided on (docs/adr/0025).
"""

from datetime import datetime
from typing import Any, Final

from services.fhir.access.grants import Opens
from services.fhir.body import stamp
from services.fhir.interactions.draft import Draft, is_undecided
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.reach import decide as reach_of
from services.fhir.outcomes import unprocessable
from services.fhir.references import conditional, literal_references
from services.fhir.search.index import IndexRow, index
from services.fhir.service import Service
from services.fhir.store.rows import Stored, Write
from services.fhir.store.shards import new_id, shard_of
from services.fhir.subscriptions.admission import admitted
from services.kit.caller import Caller

Json = dict[str, Any]

_MOST_TEXT: Final = 1024 * 1024 - 1


class UndecidedError(Exception):
    """A version of a governed type was about to be made past its business."""


def version(drafted: Draft, service: Service) -> Write:
    if is_undecided(drafted, service):
        raise UndecidedError(drafted.intent.type)
    if drafted.resource is None:
        return _deletion(drafted, service)
    return _version(drafted, drafted.resource, service)


def _deletion(drafted: Draft, service: Service) -> Write:
    intent, current = drafted.intent, drafted.current
    assert current is not None  # noqa: S101 - what is not there is not deleted: draft.py
    return Write(
        intent.type,
        intent.id,
        current.shard,
        current.version + 1,
        _next_instant(service, current),
        "DELETE",
        None,
        None,
        current.patient,
        current.author,
        current.patients,
        current.labels,
        opens=Opens() if intent.type in service.openings or intent.type == "Patient" else None,
        identities=() if intent.type == "Patient" else None,
        by_platform=intent.by_platform,
    )


def _version(drafted: Draft, resource: Json, service: Service) -> Write:
    """A resource bound to a patient lies on the patient's shard and carries it in the id that the server assigns."""
    intent, body, current = drafted.intent, drafted.body, drafted.current
    subscriber = _subscriber(intent, service)
    if subscriber is not None:
        body = admitted(body, resource, current, subscriber, service)
    now = _next_instant(service, current)
    if intent.type == "Patient":
        resource["id"] = intent.id or new_id(now)
    found = index(intent.type, service.base, service.zone)(resource)
    _check_indexable(found)
    _check_resolved(body, resource, service)
    bound = shard_of(found.patient) if found.patient else None
    resource_id = intent.id or (found.patient if intent.type == "Patient" and found.patient else new_id(now, bound))
    shard = shard_of(resource_id) if bound is None else bound
    seen = reach_of(intent.type, resource_id, resource, found, current, now, service)
    return Write(
        type=intent.type,
        id=resource_id,
        shard=shard,
        version=drafted.version,
        updated=now,
        method=intent.method,
        body=stamp(body, intent.type, resource_id, drafted.version, now),
        index=found,
        patient=found.patient,
        created=current is None or current.is_deleted,
        client_assigned=intent.method == "PUT" and current is None and shard != shard_of(resource_id),
        moved_from=current.shard if current and current.shard != shard else None,
        author=intent.author or seen.author if current is None else seen.author,
        patients=seen.patients,
        labels=seen.labels,
        refers=seen.refers,
        opens=seen.opens,
        identities=seen.identities,
        is_wider=seen.is_wider,
        by_platform=intent.by_platform,
        subscriber=subscriber,
    )


def _subscriber(intent: Intent, service: Service) -> Caller | None:
    """Who is to be told from now on, where a client writes a Subscription."""
    return service.caller if intent.type == "Subscription" and not service.stores.access.is_system else None


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
