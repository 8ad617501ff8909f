"""Subscription/[id]/$events: http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events"""

from typing import Any, Final

import msgspec

from services.fhir.operations.inputs import Inputs, invalid, read_inputs, resource_answer
from services.fhir.operations.subscription_status import stands, subscription
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ
from services.fhir.service import Service
from services.fhir.store import subscribers, subscription_events
from services.fhir.store.read import admits, versions
from services.fhir.store.subscription_events import Event
from services.fhir.subscriptions.notification import notification

Key = tuple[str, str, int]

MOST: Final = 1000
_CONTENTS: Final = ("empty", "id-only", "full-resource")
_LONGEST: Final = 18


async def events(request: FhirRequest, service: Service) -> Answer:
    """Events by their numbers, whatever became of them; what the caller may not know of now has its number alone.

    At most `MOST` are told, the first of the range; who wants more asks again from the next number.
    """
    inputs = read_inputs(request)
    inputs.check_known(("eventsSinceNumber", "eventsUntilNumber", "content"))
    since, until = numbers(inputs)
    content = inputs.text("content") or "id-only"
    if content not in _CONTENTS:
        raise invalid("content", f"one of {', '.join(_CONTENTS)}", "取值无效")
    stored = await subscription(request, service)
    async with service.stores.database.connection() as connection:
        found = await subscription_events.told(connection, stored.id, since or 1, until or 2**62, MOST)
        reach = await subscription_events.in_reach(connection, found, service.stores.access)
        reach = await _granted(connection, reach, service)
        known = (await subscribers.find(connection, [stored.id])).get(stored.id)
    shown = [each if each.key in reach else _withheld(each) for each in found]
    about = {each.patient for each in shown if each.state != "withheld"}
    await service.stores.audit_log.record(request.audit("events", 200, about=about, query=request.query or None))
    status = stands(stored, known)
    bundle = notification(
        service.base, status, "query-event", service.clock.now(), shown, with_focus=content != "empty"
    )
    return resource_answer(bundle)


async def _granted(connection: Any, reach: set[Key], service: Service) -> set[Key]:
    """Those that the scopes grant by what they say themselves: docs/adr/0049"""
    if service.stores.access.limits is None:
        return reach
    return {
        key for key, each in (await versions(connection, reach)).items() if admits(service.stores.access, READ, each)
    }


def numbers(inputs: Inputs) -> tuple[int | None, int | None]:
    return _number(inputs, "eventsSinceNumber"), _number(inputs, "eventsUntilNumber")


def _number(inputs: Inputs, name: str) -> int | None:
    """A string, as R4 has no integer64."""
    text = inputs.text(name)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise invalid(name, "a whole number", "应为非负整数")
    return None if text is None else int(text)


def _withheld(event: Event) -> Event:
    return msgspec.structs.replace(event, state="withheld")
