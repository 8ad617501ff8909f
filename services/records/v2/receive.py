"""From the bytes of a message to its acknowledgement: stored with its effect in one commit, or stored as refused (docs/adr/0043).

What is acknowledged is durable. A database that is away raises: then nothing is acknowledged at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from random import random
from typing import Final

import msgspec

from services.fhir.interactions.bundles import post_bundle
from services.fhir.operations.operation import Handler
from services.fhir.outcomes import FhirError, too_large
from services.fhir.request import FhirRequest
from services.fhir.scopes import UPDATE
from services.fhir.service import Service
from services.fhir.store import v2_messages
from services.fhir.store.v2_messages import Receipt, TakenError
from services.fhir.within_scopes import check_whole
from services.kit.database import DatabaseUnavailable
from services.kit.ids import uuid7
from services.kit.logging import log_failure
from services.kit.peers import PeerUnavailable
from services.records.v2 import consent, merge, order, refer, results, visit
from services.records.v2.acknowledgement import acknowledge, batch_of, header_fields
from services.records.v2.batch import MOST_MESSAGES, messages_in
from services.records.v2.charset import UTF8, decoded, named
from services.records.v2.datatypes import Here
from services.records.v2.faults import (
    EVENT_CODE,
    INTERNAL,
    Fault,
    NotTakenError,
    Place,
    missing_field,
    missing_segment,
)
from services.records.v2.mapping import Act
from services.records.v2.mapping import Mapping as Rules
from services.records.v2.message import Message, check_header
from services.records.v2.receipts import again, keep_refused, receipt_of, said, told_faults
from services.records.v2.refusals import faults_of
from services.records.v2.work import Work

ACTS: Final[Mapping[Act, Callable[[Work], Awaitable[None]]]] = {
    "register": visit.visited, "admit": visit.visited, "transfer": visit.visited, "discharge": visit.visited,
    "update": visit.visited, "merge": merge.merged, "report": results.reported, "order": order.ordered,
    "refer": refer.referred,
}  # fmt: skip
_TRIES: Final = {409: 3, 412: 8, 428: 8}  # 412, 428: another message about the same thing came before
_PAUSE_SECONDS: Final = 0.02
_SERVER: Final = 500
_FHIR: Final = {b"content-type": b"application/fhir+json"}
_encode: Final = msgspec.json.encode


class How(msgspec.Struct, frozen=True):
    """The mapping of the sender, and the operations that a message may come to."""

    rules: Rules
    merge: Handler
    register: Handler


async def receive_all(content: bytes, request: FhirRequest, service: Service, how: How) -> bytes:
    """One acknowledgement, or as many as a batch has messages: each stands for itself."""
    received = messages_in(content)
    if len(received.messages) > MOST_MESSAGES:
        raise too_large(
            f"A batch may have {MOST_MESSAGES} messages at most; send fewer at once; none of these was stored",
            text=f"一批最多 {MOST_MESSAGES} 条消息，请分批发送；本批均未保存",
        )
    answers = [await receive(each, request, service, how) for each in received.messages or (b"",)]
    return batch_of(answers, request.at) if received.is_batch else answers[0]


async def receive(content: bytes, request: FhirRequest, service: Service, how: How) -> bytes:
    """What was accepted before is found out by the commit, which writes nothing then: most messages come once."""
    told = header_fields(content)
    receipt = receipt_of(content, told, request)
    codec = named(said(told, 18) or how.rules.charset) or UTF8
    try:
        try:
            await _carry_out(receipt, codec, request, service, how)
        except NotTakenError as error:
            await keep_refused(receipt, error.code, error.faults, codec, request, service)
    except TakenError:
        known = await service.stores.reading(lambda store: store.run(v2_messages.find, receipt.key))
        assert known is not None  # noqa: S101 - it was taken by what is there
        await service.stores.audit_log.record(request.audit("process-v2", 200))
        return again(known, receipt, request)
    return receipt.acknowledgement


async def _carry_out(receipt: Receipt, codec: str, request: FhirRequest, service: Service, how: How) -> None:
    """Plan on what is there, write; what another message came before is planned again."""
    try:
        check_header(receipt.content)
        message = Message(decoded(receipt.content, said(header_fields(receipt.content), 18), how.rules.charset)[0])
        for n in count(1):
            work = await _planned(message, request, service, how.rules)
            try:
                return await _write(work, receipt, codec, how.merge)
            except FhirError as error:
                if n >= _TRIES.get(error.status, 0):
                    raise NotTakenError("AE", *faults_of(error, work)) from error
                if consent.is_out_of_reach(error, work):
                    await _register(work, how.register)
            await asyncio.sleep(random() * n * _PAUSE_SECONDS)  # noqa: S311 - so that they meet no more
    except FhirError as error:
        if error.status >= _SERVER:
            raise
        raise NotTakenError("AE", *faults_of(error, None)) from error
    except (NotTakenError, TakenError, DatabaseUnavailable, PeerUnavailable):
        raise
    except Exception as error:  # a mistake of ours: the message is kept, to be replayed once it is mended
        log_failure("v2.failed", error, request_id=request.caller.request_id)
        raise NotTakenError("AE", _failed()) from error


async def _planned(message: Message, request: FhirRequest, service: Service, rules: Rules) -> Work:
    event = rules.events.get(message.event)
    if event is None:
        raise NotTakenError("AR", _unknown_event(rules))
    if not message.control_id:
        raise NotTakenError("AR", missing_field(Place("MSH", field=10)))
    if missing := [name for name in event.needs if message.first(name) is None]:
        raise NotTakenError("AE", *map(missing_segment, missing))
    work = Work(message, event, Here(rules, request.caller.organization, service.zone), request, service)
    await ACTS[event.act](work)
    return work


async def _write(work: Work, receipt: Receipt, codec: str, merge_records: Handler) -> None:
    """Receipt and effect are one commit."""
    request, service = work.request, work.service
    receipt.faults = told_faults(work.warnings)
    receipt.acknowledgement = acknowledge(receipt.content, "AA", work.warnings, request.at, uuid7(), codec)
    acting = msgspec.structs.replace(service, stores=msgspec.structs.replace(service.stores, effect=receipt))
    if work.merging is not None:
        _check_may_merge(request)
        await merge_records(_merging(*work.merging, request), acting)
    elif work.entries:
        await post_bundle(_inner({}, work.bundle(), request), acting)
    else:
        async with service.stores.database.connection() as connection:
            await receipt.write(connection, (), service.stores.vault)
        await service.stores.audit_log.record(request.audit("process-v2", 200))


async def _register(work: Work, register: Handler) -> None:
    """A commit of its own; when the message comes again she is within reach."""
    try:
        await register(consent.registration(work, work.request), work.service)
    except FhirError as error:
        if error.status >= _SERVER:
            raise
        raise consent.refused(error) from error


def _check_may_merge(request: FhirRequest) -> None:
    check_whole(request.caller, "Patient", UPDATE)


def _merging(source: str, target: str, request: FhirRequest) -> FhirRequest:
    named_as = {"source-patient": source, "target-patient": target}
    parts = [{"name": n, "valueReference": {"reference": f"Patient/{each}"}} for n, each in named_as.items()]
    body = _encode({"resourceType": "Parameters", "parameter": parts})
    return _inner({"type": "Patient", "operation": "merge"}, body, request)


def _inner(path: Mapping[str, str], body: bytes, request: FhirRequest) -> FhirRequest:
    return FhirRequest("POST", path, "", _FHIR, body, request.caller, request.at)


def _unknown_event(rules: Rules) -> Fault:
    known = ", ".join(rules.events)
    return Fault(
        Place("MSH", field=9),
        EVENT_CODE,
        f"MSH-9: this message type and event is not taken; taken are {known}",
        f"MSH-9：不支持该消息类型或事件；支持 {known}",
    )


def _failed() -> Fault:
    return Fault(
        Place("MSH"),
        INTERNAL,
        "the message is stored and could not be processed; it can be replayed",
        "消息已保存但未能处理，可在修复后重放",
    )
