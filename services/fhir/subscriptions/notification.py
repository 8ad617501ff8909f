"""The notification Bundle in R4: http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription-notification-r4.html

Its first entry is R5's SubscriptionStatus as Parameters. Event numbers are strings, as R4 has no integer64.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec

from services.fhir.store.rows import instant
from services.fhir.store.subscription_events import Event

Json = dict[str, Any]
Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]

_PROFILE: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"


class Status(msgspec.Struct, frozen=True):
    """What is said of a subscription; `topic` None where nothing may be told of it, as with empty content."""

    subscription: str
    status: str
    events: int
    topic: str | None = None
    error: str | None = None


def status_parameters(base: str, status: Status, kind: Kind, parts: Iterable[Json] = ()) -> Json:
    parameter: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{status.subscription}"}},
        *([{"name": "topic", "valueCanonical": status.topic}] if status.topic else ()),
        {"name": "status", "valueCode": status.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(status.events)},
        *parts,
        *([{"name": "error", "valueCodeableConcept": {"text": status.error}}] if status.error else ()),
    ]
    return {
        "resourceType": "Parameters",
        "id": str(uuid4()),
        "meta": {"profile": [f"{_PROFILE}-status-r4"]},
        "parameter": parameter,
    }


def notification(
    base: str, status: Status, kind: Kind, now: datetime, events: Sequence[Event] = (), *, with_focus: bool = True
) -> Json:
    """An event that is withheld has its number alone: http://hl7.org/fhir/uv/subscriptions-backport/errors.html#detecting-errors-as-a-client"""
    shown = [each for each in events if with_focus and each.state != "withheld"]
    told = frozenset(each.number for each in shown)
    parameters = status_parameters(
        base, status, kind, (_event(base, each, with_focus=each.number in told) for each in events)
    )
    first = {
        "fullUrl": f"urn:uuid:{parameters['id']}",
        "resource": parameters,
        "request": {"method": "GET", "url": f"{base}/Subscription/{status.subscription}/$status"},
        "response": {"status": "200"},
    }
    return {
        "resourceType": "Bundle",
        "id": str(uuid4()),
        "meta": {"profile": [f"{_PROFILE}-notification-r4"]},
        "type": "history",
        "timestamp": instant(now),
        "entry": [first, *(_entry(base, each) for each in shown)],
    }


def _event(base: str, event: Event, *, with_focus: bool) -> Json:
    parts: list[Json] = [{"name": "event-number", "valueString": str(event.number)}]
    if event.state != "withheld":
        parts.append({"name": "timestamp", "valueInstant": instant(event.at)})
    if with_focus:
        parts.append({"name": "focus", "valueReference": {"reference": f"{base}/{event.type}/{event.id}"}})
    return {"name": "notification-event", "part": parts}


def _entry(base: str, event: Event) -> Json:
    """What was done, and which version came of it; the resource is read with the reader's own rights."""
    url = event.type if event.method == "POST" else f"{event.type}/{event.id}"
    status = "204" if event.method == "DELETE" else "201" if event.version == 1 else "200"
    return {
        "fullUrl": f"{base}/{event.type}/{event.id}",
        "request": {"method": event.method, "url": url},
        "response": {"status": status, "etag": f'W/"{event.version}"', "lastModified": instant(event.at)},
    }
