"""DetectedIssue/$acknowledge 接警, $arrive 到场, $resolve 处置完成: what people do with an alert (docs/monitoring.md).

Who may change an alert may answer it, which a supervisor may not; its Task, its Flag and the call follow in the same commit.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from services.care.alerts.course import course_of, is_alert, with_course
from services.care.alerts.workflow import check_open, moved
from services.fhir.interactions.answers import location, present, version_headers
from services.fhir.interactions.commit import write
from services.fhir.interactions.intent import Intent, changed
from services.fhir.operations.inputs import Inputs, read_inputs
from services.fhir.operations.operation import Handler, Operation
from services.fhir.outcomes import FhirError, conflict, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

Json = dict[str, Any]

Finish = Callable[[Store, Stored | None], Answer]

ATTEMPTS: Final = 5
_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"
_TAKEN: Final = {"acknowledge": {"note"}, "arrive": {"note"}, "resolve": {"note", "outcome"}}


class Overtaken(Exception):  # noqa: N818 - the state it names
    """The clock, or somebody else, was faster; whether the act is still open is looked at anew."""


def answering(act: str) -> Operation:
    definition = f"{_OURS}/DetectedIssue-{act}"
    return Operation(act, definition, ("instance",), ("DetectedIssue",), _handler(act), affects_state=True, letters="u")


def _handler(act: str) -> Handler:
    async def handler(request: FhirRequest, service: Service) -> Answer:
        inputs = read_inputs(request)
        inputs.check_known(_TAKEN[act])

        def finish(store: Store, now: Stored | None) -> Answer:
            assert now is not None  # noqa: S101 - an update always writes
            store.audit(request.audit(act, 200, of=now))
            headers = (*version_headers(now), (b"location", f"{service.base}/{location(now)}".encode()))
            return Answer(200, (now.body or "").encode(), headers)

        for _ in range(ATTEMPTS):
            stored, issue = await _current(request, service)
            check_open(act, course_of(issue))
            with suppress(Overtaken):
                return await _tried(changed(_answered(act, issue, inputs), stored.version), service, finish)
        raise conflict("The alert keeps changing; read it again and retry", code="conflict")

    return handler


async def _current(request: FhirRequest, service: Service) -> tuple[Stored, Json]:
    stored = present(await service.stores.read("DetectedIssue", request.id), "DetectedIssue")
    issue = stored.parsed()
    if not is_alert(issue):
        raise unprocessable(
            "This DetectedIssue is no alert of the platform",
            code="business-rule",
            text="该问题不是平台预警",
            expression=("DetectedIssue.identifier",),
        )
    return stored, issue


def _answered(act: str, issue: Json, inputs: Inputs) -> Json:
    note, outcome = inputs.text("note"), inputs.text("outcome") or ""
    course = moved(course_of(issue), act, **({"outcome": outcome} if outcome else {}))
    said = [{"action": {"text": note}}] if note else []
    return with_course(issue, course) | ({"mitigation": [*issue.get("mitigation", ()), *said]} if said else {})


async def _tried(intent: Intent, service: Service, finish: Finish) -> Answer:
    try:
        return await write(intent, service, finish)
    except FhirError as error:
        if error.status == 412:  # noqa: PLR2004
            raise Overtaken from error
        raise


OPERATIONS: Final = tuple(map(answering, _TAKEN))
