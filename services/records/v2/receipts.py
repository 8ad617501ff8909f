"""The receipt of a message, by which it is known again, and what it says: docs/adr/0043."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.fhir.request import FhirRequest
from services.fhir.service import Service
from services.fhir.store import v2_messages
from services.fhir.store.v2_messages import Known, Receipt
from services.kit.ids import uuid7
from services.records.v2.acknowledgement import acknowledge
from services.records.v2.charset import UTF8
from services.records.v2.faults import (
    DUPLICATE_KEY,
    AckCode,
    Fault,
    Place,
)

_encode: Final = msgspec.json.encode


def receipt_of(content: bytes, told: list[str], request: FhirRequest) -> Receipt:
    """By sender and control id; what has none is known by its bytes."""
    control = said(told, 10)
    sender = (said(told, 3), said(told, 4), control) if control else (v2_messages.digest_of(content),)
    caller = request.caller
    event = "^".join(said(told, 9).split("^")[:2])
    return Receipt(
        v2_messages.key_of(caller.client, *sender),
        caller.client,
        caller.organization,
        event,
        control,
        request.at,
        content,
    )


def said(told: list[str], field: int) -> str:
    return told[field - 1].strip() if field <= len(told) else ""


async def keep_refused(
    receipt: Receipt, code: AckCode, faults: Sequence[Fault], codec: str, request: FhirRequest, service: Service
) -> None:
    """Stored all the same: it is processed when it comes again, or is replayed (`yiyang v2 replay`)."""
    receipt.code = code
    receipt.faults = told_faults(faults)
    receipt.acknowledgement = acknowledge(receipt.content, code, faults, request.at, uuid7(), codec)
    async with service.stores.database.connection() as connection:
        await receipt.write(connection, (), service.stores.vault)
    await service.stores.audit_log.record(request.audit("process-v2", 422))


def again(known: Known, receipt: Receipt, request: FhirRequest) -> bytes:
    """The same answer; another message under a number that is used up is refused, and the one before stays."""
    if known.digest == v2_messages.digest_of(receipt.content):
        return known.acknowledgement
    return acknowledge(receipt.content, "AR", (_used(),), request.at, uuid7(), UTF8)


def _told(fault: Fault) -> dict[str, str]:
    return {"place": str(fault.place), "code": fault.code, "severity": fault.severity, "diagnostics": fault.diagnostics, "text": fault.text}  # fmt: skip


def _used() -> Fault:
    return Fault(
        Place("MSH", field=10),
        DUPLICATE_KEY,
        "MSH-10: another message of this control id was accepted before",
        "MSH-10：该消息控制号已用于另一条已接收的消息",
    )


def told_faults(faults: Sequence[Fault]) -> str:
    """As they are kept with the receipt."""
    return _encode([_told(each) for each in faults]).decode()
