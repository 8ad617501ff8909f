"""One act of a referral as an operation: its Parameters become inputs, outputs or a reason of the Task, and its companions new resources.

What is written takes the same way as PUT: services/referral/business.py decides. http://hl7.org/fhir/R4/operations.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from services.fhir.elements import concept, id_in
from services.fhir.interactions.answers import location, present, version_headers
from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import Intent
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import FhirError
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.sight import Known
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole
from services.referral.clocks import clock_of
from services.referral.codes import INPUT, OUTPUT, is_referral
from services.referral.parties import actors_of
from services.referral.states import STATES, business_status, state_of
from services.referral.workflow import ACTS, RESUMED, SAME, actions, refused

Json = dict[str, Any]

OURS: Final = "https://yiyang.example/fhir/OperationDefinition"
_ENTRY: Final = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?")
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Part(msgspec.Struct, frozen=True):
    """A parameter `name` of an act: a value or a resource, that becomes an input or output of this `kind`, or the reason.

    `default` makes the value of one that a client leaves out.
    """

    name: str
    place: Literal["input", "output", "reason"]
    kind: str = ""
    system: str = ""
    default: Callable[[Json, FhirRequest, Service], Json | None] | None = None


class Making(msgspec.Struct):
    """What one operation is going to write: resources with their ids, by `Type/id`, in order."""

    request: FhirRequest
    service: Service
    patient: str | None
    made: dict[str, Json] = {}

    def add(self, resource: Json) -> str:
        """A new resource of this commit; its reference."""
        kind = resource["resourceType"]
        self._check_scope(kind)
        shard = shard_of(self.patient) if self.patient else None
        name = f"{kind}/{new_id(self.service.clock.now(), shard)}"
        self.made[name] = {**resource, "id": name.partition("/")[2]}
        return name

    def intents(self) -> list[Intent]:
        return [
            Intent("POST", name.partition("/")[0], name.partition("/")[2], _encode(body))
            for name, body in self.made.items()
        ]

    def _check_scope(self, resource_type: str) -> None:
        """What it brings with it, it writes as its caller may."""
        check_whole(self.request.caller, resource_type, CREATE)


Extra = Callable[[Json, Inputs, Making], Json]


def act_operation(act: str, *parts: Part, extra: Extra | None = None, more: tuple[str, ...] = ()) -> Operation:
    """`Task/{id}/$act`; `extra` reads the parameters `more` and adds what is not a plain part."""

    async def handler(request: FhirRequest, service: Service) -> Answer:
        return await perform(act, parts, extra, more, request, service)

    return Operation(act, f"{OURS}/Task-{act}", ("instance",), ("Task",), handler, affects_state=True, letters="u")


async def perform(
    act: str,
    parts: Sequence[Part],
    extra: Extra | None,
    more: tuple[str, ...],
    request: FhirRequest,
    service: Service,
) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known({part.name for part in parts} | {*more})
    found, known = await service.stores.to_change("Task", request.id)
    stored = present(found, "Task")
    task = stored.parsed()
    making = Making(request, service, id_in(task.get("for"), "Patient"), {})
    body = moved(act, task, request)
    for part in parts:
        body = _with_part(body, part, inputs, making)
    if extra is not None:
        body = extra(body, inputs, making)
    return await write_task(act, stored, body, making, known)


async def current(task_id: str, service: Service) -> tuple[Stored, Json]:
    """The Task as its caller may read it."""
    stored = present(await service.stores.read("Task", task_id), "Task")
    return stored, stored.parsed()


def moved(act: str, task: Json, request: FhirRequest) -> Json:
    """The Task where the act leads; 422 with what is open, where it is not open to this caller."""
    move, state = ACTS[act], state_of(task)
    actors = actors_of(request.caller, task, "administrator" if act == "void" else None)
    if not is_referral(task) or state not in move.sources or not move.actors & actors:
        target = {SAME: state, RESUMED: clock_of(task).resumes}.get(move.to, move.to)
        raise refused(state, target, actions(task, actors), f" by {act}")
    target = {SAME: state, RESUMED: clock_of(task).resumes}.get(move.to, move.to)
    kept = {name: value for name, value in task.items() if name != "statusReason"}
    return kept | {"status": STATES[target].task, "businessStatus": business_status(target)}


async def write_task(act: str, stored: Stored, body: Json, making: Making, known: Known) -> Answer:
    """One commit: the Task on the version that was read (or that the client names), and what the act brings with it."""
    request, service = making.request, making.service
    version = request.if_match or f'W/"{stored.version}"'
    update = Intent("PUT", "Task", stored.id, _encode(body), if_match=version)

    def finish(store: Store, written: Written) -> Answer:
        task = written[0]
        assert task is not None  # noqa: S101 - an update always writes
        store.audit(request.audit(act, 200, of=task))
        headers = (*version_headers(task), (b"location", f"{service.base}/{location(task)}".encode()))
        return Answer(200, (task.body or "").encode(), headers)

    intents = dict(enumerate([update, *making.intents()]))
    try:
        return await write_all(intents, service, finish, known)
    except FhirError as error:
        raise named_by_type(error, intents) from error


def named_by_type(error: FhirError, intents: Mapping[int, Intent]) -> FhirError:
    """An operation has no entries: `Bundle.entry[0].resource.owner` is `Task.owner` to its caller."""

    def named(expression: str) -> str:
        found = _ENTRY.match(expression)
        return f"{intents[int(found[1])].type}{expression[found.end() :]}" if found else expression

    issues = (msgspec.structs.replace(i, expression=tuple(map(named, i.expression))) for i in error.issues)
    return FhirError(error.status, tuple(issues), error.headers)


def _with_part(task: Json, part: Part, inputs: Inputs, making: Making) -> Json:
    given = inputs.parts(part.name)
    if part.place == "reason":
        return task | ({"statusReason": _reason(part, given)} if given else {})
    found = [element(each, making) for each in given]
    if not found and part.default is not None:
        made = part.default(task, making.request, making.service)
        found = [made] if made else []
    system = INPUT if part.place == "input" else OUTPUT
    added = [{"type": concept(system, part.kind or part.name), **value} for value in found]
    return task | ({part.place: [*task.get(part.place, ()), *added]} if added else {})


def element(part: Json, making: Making) -> Json:
    """The value of a parameter; a resource is created beside the act and referred to."""
    if "resource" in part:
        return {"valueReference": {"reference": making.add(part["resource"])}}
    value = {name: each for name, each in part.items() if name.startswith("value")}
    if not value:
        raise invalid(part["name"], "a value or a resource", "应为值或资源")
    return value


def _reason(part: Part, given: Sequence[Json]) -> Json:
    """A code of the act's own system, words, or a CodeableConcept as it is; one of each kind together."""
    made: Json = {}
    for each in given:
        if "valueCodeableConcept" in each:
            made |= each["valueCodeableConcept"]
        elif "valueCode" in each:
            made |= concept(part.system, each["valueCode"])
        elif "valueCoding" in each:
            made["coding"] = [each["valueCoding"]]
        elif "valueString" in each:
            made["text"] = each["valueString"]
    return made
