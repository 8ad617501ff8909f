"""The operations of referral beside those of FHIR, one module each: docs/architecture.md, docs/referral-workflow.md"""

from typing import Final

from services.fhir.operations.operation import Operation
from services.fhir.pages.answer import MEDIA
from services.referral.operations import (
    accept,
    acknowledge,
    actions,
    agree_cancel,
    answer,
    arrive,
    ask,
    depart,
    feedback,
    find_capacity,
    fulfilment,
    interim,
    no_show,
    offer_back,
    pause,
    process_message,
    queue,
    readdress,
    receive,
    refer,
    refuse_cancel,
    reject,
    request_cancel,
    request_void,
    resume,
    schedule,
    state_counts,
    submit,
    supplement,
    terminate,
    treat,
    void,
    withdraw,
)
from services.referral.operations.appointment_book import BOOK, HOLD
from services.referral.operations.appointment_find import OPERATION as FIND
from services.referral.operations.slip import slip

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"
_ONE_EACH: Final = (
    refer, submit, receive, ask, answer, supplement, accept, reject, readdress, withdraw, schedule, depart, arrive, treat, interim,
    pause, resume, no_show, offer_back, request_cancel, agree_cancel, refuse_cancel, feedback, acknowledge, terminate, request_void,
    void, actions, state_counts, process_message, find_capacity, fulfilment, queue,
)  # fmt: skip

OPERATIONS: Final = (
    Operation("slip", f"{_OURS}/Task-slip", ("instance",), ("Task",), slip, media=MEDIA),
    *(module.OPERATION for module in _ONE_EACH),
    FIND,
    HOLD,
    BOOK,
)
