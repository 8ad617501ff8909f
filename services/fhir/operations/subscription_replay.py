"""Subscription/[id]/$replay: dead letters, or a range of event numbers, once more (docs/adr/0030)."""

from services.fhir.operations.inputs import parameters, read_inputs
from services.fhir.operations.subscription_events import numbers
from services.fhir.operations.subscription_status import subscription
from services.fhir.outcomes import conflict
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import subscribers, subscription_events


async def replay(request: FhirRequest, service: Service) -> Answer:
    """Without numbers the dead letters. Each keeps its number; whether it may be told is decided anew when it is sent."""
    inputs = read_inputs(request)
    inputs.check_known(("eventsSinceNumber", "eventsUntilNumber"))
    since, until = numbers(inputs)
    stored = await subscription(request, service)
    async with service.stores.database.connection() as connection:
        known = (await subscribers.find(connection, [stored.id])).get(stored.id)
        if known is None or known.state in ("new", "off"):
            raise conflict("The subscription is off; request it again first", code="business-rule", text="订阅未启用")
        count = await subscription_events.replay(connection, stored.id, since, until)
    await service.stores.audit_log.record(request.audit("replay", 200, of=stored, query=request.query or None))
    return parameters({"name": "count", "valueInteger": count})
