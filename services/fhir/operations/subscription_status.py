"""Subscription/$status: http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status"""

from typing import Any, Final

import msgspec

from services.fhir.bundle import bundle
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import Inputs, read_inputs
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.query import Match, SearchQuery, TokenValue
from services.fhir.service import Service
from services.fhir.store import subscribers
from services.fhir.store.rows import Stored
from services.fhir.store.subscribers import Subscriber
from services.fhir.subscriptions.notification import Status, status_parameters
from services.fhir.subscriptions.topics import BY_URL

Json = dict[str, Any]

MOST: Final = 100
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def subscription_status(request: FhirRequest, service: Service) -> Answer:
    """Of one, or of those among the `id`s, in a `status`, that the caller may see; a searchset either way."""
    inputs = read_inputs(request)
    inputs.check_known(() if request.id else ("id", "status"))
    if request.id:
        found = [await subscription(request, service)]
    else:
        found = await _asked(_each(inputs, "id"), _each(inputs, "status"), service)
    await service.stores.audit_log.record(
        request.audit("status", 200, of=found[0] if request.id else None, query=request.query or None)
    )
    async with service.stores.database.connection() as connection:
        known = await subscribers.find(connection, [each.id for each in found])
    entries = [_entry(each, known.get(each.id), service.base) for each in found]
    return Answer(200, bundle("searchset", entries, total=len(entries)))


async def subscription(request: FhirRequest, service: Service) -> Stored:
    """The Subscription that the request is about, as far as the caller may see it."""
    return present(await service.stores.read("Subscription", request.id), "Subscription")


def stands(stored: Stored, known: Subscriber | None) -> Status:
    """What was stored before subscriptions were served may lack anything."""
    resource = _decode(stored.body or "{}")
    topic = resource.get("criteria", "").partition("|")[0]
    return Status(
        stored.id,
        resource.get("status", "error"),
        known.events if known else 0,
        topic if topic in BY_URL else None,
        resource.get("error"),
    )


def _each(inputs: Inputs, name: str) -> list[str]:
    return [value for text in inputs.texts(name) for value in text.split(",")]


async def _asked(ids: list[str], statuses: list[str], service: Service) -> list[Stored]:
    conditions = [
        Match(code, "token", None, tuple(TokenValue(None, value) for value in values))
        for code, values in (("_id", ids), ("status", statuses))
        if values
    ]
    query = SearchQuery("Subscription", tuple(conditions), count=MOST)
    page = await service.stores.reading(lambda store: store.search(query))
    return list(page.matches)


def _entry(stored: Stored, known: Subscriber | None, base: str) -> str:
    parameters = status_parameters(base, stands(stored, known), "query-status")
    full_url = msgspec.json.encode(f"urn:uuid:{parameters['id']}").decode()
    return f'{{"fullUrl":{full_url},"resource":{msgspec.json.encode(parameters).decode()},"search":{{"mode":"match"}}}}'
