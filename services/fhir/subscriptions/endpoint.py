"""One call to a subscriber's endpoint: what is sent, and what the answer means.

http://hl7.org/fhir/uv/subscriptions-backport/channels.html#rest-hook
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from services.fhir.headers import FHIR_JSON
from services.fhir.service import Service
from services.fhir.store.subscribers import Subscriber
from services.fhir.subscriptions.channel import Channel
from services.fhir.subscriptions.secrets import safe_of
from services.fhir.subscriptions.signature import signature_headers
from services.kit.caller import split_key
from services.kit.crypto import derived
from services.kit.outbound import OutboundFailedError, OutboundRefusedError

Json = dict[str, Any]

# The endpoint has understood and does not take this; anything else is a failure of the endpoint.
_REFUSALS: Final = frozenset(range(400, 500)) - {408, 425, 429}
_GOOD: Final = range(200, 300)


class Answer(msgspec.Struct, frozen=True):
    """`reason` is shown to the subscriber and logged: it names no address and nothing of the answer but its status."""

    meaning: Literal["taken", "refused", "failed"]
    reason: str = ""


async def call(subscriber: Subscriber, channel: Channel, notification: Json, service: Service) -> Answer:
    """Send it once; the address is resolved and looked at now, whatever it was before."""
    body = msgspec.json.encode(notification)
    try:
        headers = _headers(subscriber, channel, body, service)
    except ValueError:
        return Answer("failed", "the channel's secrets were sealed under a key that is gone; send them again")
    try:
        async with asyncio.timeout(channel.timeout):
            answer = await service.outbound.call("POST", channel.endpoint, headers, body)
    except OutboundRefusedError:
        return Answer("failed", "the endpoint may not be called: its address, or a redirect")
    except (OutboundFailedError, TimeoutError):
        return Answer("failed", "the endpoint does not answer")
    if answer.status in _GOOD:
        return Answer("taken")
    meaning: Literal["refused", "failed"] = "refused" if answer.status in _REFUSALS else "failed"
    return Answer(meaning, f"the endpoint answered {answer.status}")


def _headers(subscriber: Subscriber, channel: Channel, body: bytes, service: Service) -> Mapping[str, str]:
    safe, institution = safe_of(service.internal_key), subscriber.caller.organization
    own = {name.lower(): safe.opened(value, institution) for name, value in channel.headers}
    if channel.secret is None:
        secret = derived(split_key(service.internal_key)[0], f"subscription {subscriber.id}")
    else:
        secret = safe.opened(channel.secret, institution).encode()
    signature = signature_headers(secret, body, int(service.clock.seconds()))
    return own | signature | {"content-type": FHIR_JSON}
