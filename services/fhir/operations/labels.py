"""Profiles, tags and security labels as the sets that they are: http://hl7.org/fhir/R4/resource.html#Meta

A label is the same as another by its system and code, a profile by its whole URL; version and display do not count.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.fhir.interactions.answers import present
from services.fhir.interactions.commit import Finish, Written, carry_out
from services.fhir.interactions.draft import check_preconditions
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.operations.inputs import Json, invalid, parameters, read_inputs
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

LABELS: Final = ("profile", "security", "tag")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_meta: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def meta_of(stored: Stored) -> Json:
    return _meta.decode(_members.decode(stored.body or "{}").get("meta", msgspec.Raw(b"{}")))


def identity(label: str | Json) -> tuple[str | None, ...]:
    return (label,) if isinstance(label, str) else (label.get("system"), label.get("code"))


async def relabel(
    request: FhirRequest, service: Service, interaction: str, change: Callable[[list[Any], list[Any]], list[Any]]
) -> Answer:
    """Write the next version with labels changed by `change(own, given)`; none when nothing changes.

    R4 has dropped the rule of its ballots that no version be made (http://hl7.org/fhir/R4/resource-operation-meta-add.html),
    so a label moves as everything moves here: in one commit, with history, audit and event, under a new ETag.
    """
    given = _given(request)

    async def plan(store: Store) -> tuple[Prepared, Finish[Answer]]:
        current = present(await store.read(request.type, request.id), request.type)
        check_preconditions(_intent(request, current, b""), current, service)
        body = _with_labels(current, given, change)

        def finish(store: Store, written: Written) -> Answer:
            stored = written.get(0) or current
            store.audit(request.audit(interaction, 200, of=stored))
            answer = parameters({"name": "return", "valueMeta": meta_of(stored)})
            return Answer(answer.status, answer.body, ((b"etag", stored.etag.encode()),))

        intents = {0: _intent(request, current, body)} if body else {}
        return await prepare(intents, store, service), finish

    return await carry_out(plan, service)


def _intent(request: FhirRequest, current: Stored, body: bytes) -> Intent:
    """On the version that the labels were taken from, where the client names none."""
    return Intent("PUT", request.type, request.id, body, request.if_match or current.etag)


def _given(request: FhirRequest) -> Json:
    inputs = read_inputs(request)
    inputs.check_known({"meta"})
    meta = inputs.element("meta")
    if meta is None:
        raise invalid("meta", "a Parameters body with valueMeta is needed", "缺少 valueMeta")
    if not any(meta.get(name) for name in LABELS):
        raise invalid("meta", "no profile, tag or security label in it", "缺少 profile、tag 或 security")
    return meta


def _with_labels(current: Stored, given: Json, change: Callable[[list[Any], list[Any]], list[Any]]) -> bytes | None:
    """The text with `meta` replaced and every other byte kept; None when the labels stay as they are."""
    meta = meta_of(current)
    changed = {name: change(meta.get(name, []), given.get(name, [])) for name in LABELS}
    if all(changed[name] == meta.get(name, []) for name in LABELS):
        return None
    members = _members.decode(current.body or "{}")
    kept = {name: value for name, value in {**meta, **changed}.items() if value}
    members["meta"] = msgspec.Raw(_encode(kept))
    return _encode(members)
