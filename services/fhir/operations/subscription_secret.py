"""Subscription/[id]/$rotate-secret: a new secret for the signature of notifications, told this once (docs/adr/0030)."""

import secrets
from typing import Any, Final

import msgspec

from services.fhir.interactions.answers import present
from services.fhir.interactions.commit import Finish, Written, carry_out
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.operations.inputs import parameters, read_inputs
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.store import Store
from services.fhir.subscriptions.admission import with_channel, with_secret

_BYTES: Final = 32
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


async def rotate_secret(request: FhirRequest, service: Service) -> Answer:
    """Whoever holds the secret has just proven to be the subscriber: no handshake is needed anew."""
    read_inputs(request).check_known(())
    secret = secrets.token_urlsafe(_BYTES)

    async def plan(store: Store) -> tuple[Prepared, Finish[None]]:
        current = present(await store.to_write("Subscription", request.id), "Subscription")
        body = (current.body or "").encode()
        channel = with_secret(_decode(body)["channel"], secret)
        intent = Intent("PUT", "Subscription", request.id, with_channel(body, channel), request.if_match)
        return await prepare({0: intent}, store, service), finish

    def finish(store: Store, written: Written) -> None:
        store.audit(request.audit("rotate-secret", 200, of=written[0]))

    await carry_out(plan, service)
    return parameters({"name": "secret", "valueString": secret})
