"""PlanDefinition/$apply, and CarePlan/$propose, which chooses from the library by what is known of the elder (docs/care-plans.md).

http://hl7.org/fhir/R4/plandefinition-operation-apply.html
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

from services.care.plans.applying import For, Made, applied, contained
from services.care.plans.findings import Chosen, Finding, chosen, findings_of
from services.care.plans.load import Plans
from services.care.plans.reading import Reader
from services.fhir.elements import reference
from services.fhir.interactions.answers import location
from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import created
from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs, resource_answer
from services.fhir.operations.operation import Handler, Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE
from services.fhir.service import Service
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]

_OURS: Final = "https://yiyang.example/fhir/OperationDefinition"
_APPLY: Final = "http://hl7.org/fhir/OperationDefinition/PlanDefinition-apply"
_WHO: Final = {"subject", "encounter", "practitioner", "organization"}


def operations(plans: Plans) -> tuple[Operation, ...]:
    return (
        Operation("apply", _APPLY, ("instance",), ("PlanDefinition",), _applying(plans)),
        Operation(
            "propose",
            f"{_OURS}/CarePlan-propose",
            ("type",),
            ("CarePlan",),
            _proposing(plans),
            affects_state=True,
            letters="r",
        ),
    )


def _applying(plans: Plans) -> Handler:
    async def apply(request: FhirRequest, service: Service) -> Answer:
        """A draft, in which its goals and its team lie; nothing is stored."""
        inputs = read_inputs(request)
        inputs.check_known(_WHO)
        plan = plans.get(request.id)
        if plan is None:
            raise unprocessable(
                f"{request.id} is no plan of the library", code="not-supported", text="仅可应用平台计划库中的计划"
            )
        who = await who_of(inputs, request, service)
        await service.stores.audit_log.record(request.audit("apply", 200, about=(who.patient,)))
        ids = (f"part-{n}" for n in count(1))
        return resource_answer(contained(applied([Chosen(plan, ())], who, ids)))

    return apply


def _proposing(plans: Plans) -> Handler:
    async def propose(request: FhirRequest, service: Service) -> Answer:
        """Parameters: each plan with what calls for it, and the draft. With `store` the plan, its goals and its team are stored, in one commit."""
        inputs = read_inputs(request)
        inputs.check_known(_WHO | {"plan", "finding", "request", "store"})
        who = await who_of(inputs, request, service)
        found = await _chosen(plans, inputs, who, request, service)
        told = [_told(each) for each in found]
        if not inputs.flag("store"):
            made = applied(found, who, (f"part-{n}" for n in count(1)))
            return parameters(*told, {"name": "carePlan", "resource": contained(made)})
        made = applied(found, who, ids_of(who.subject, service))
        check_scopes(made.resources, request)
        return await write_all(
            dict(enumerate(map(created, made.resources))), service, _stored(made, told, request, service)
        )

    return propose


async def who_of(inputs: Inputs, request: FhirRequest, service: Service) -> For:
    """422 for a patient whom the caller does not see. The institution is the caller's unless another is named."""
    subject = reference_of(inputs, "subject", "Patient")
    if subject is None:
        raise invalid("subject", "Patient/…, of whom the plan is", "须指明老人")
    async with service.stores.open() as store:
        await Reader(store, service).read(subject, "subject", "未找到该老人")
    own = request.caller.practitioner or ""
    return For(
        subject,
        reference_of(inputs, "organization", "Organization") or f"Organization/{request.caller.organization}",
        service.clock.now().astimezone(service.zone).date(),
        reference_of(inputs, "practitioner", "Practitioner", "PractitionerRole")
        or (f"Practitioner/{own.rpartition('/')[2]}" if own else ""),
        reference_of(inputs, "encounter", "Encounter") or "",
        reference_of(inputs, "request", "ServiceRequest") or "",
    )


def reference_of(inputs: Inputs, name: str, *types: str) -> str | None:
    """A parameter that is a reference, as a string or as a Reference."""
    given = inputs.element(name)
    found = given.get("reference") if given else inputs.text(name)
    if found is not None and found.partition("/")[0] not in types:
        raise invalid(name, f"a reference to a {types[0]}", f"应引用 {types[0]}")
    return found


def ids_of(patient: str, service: Service) -> Iterator[str]:
    shard = shard_of(patient.partition("/")[2])
    while True:
        yield new_id(service.clock.now(), shard)


def check_scopes(resources: tuple[Json, ...], request: FhirRequest) -> None:
    """What an operation brings with it, it writes as its caller may."""
    for each in resources:
        check_whole(request.caller, each["resourceType"], CREATE)


async def _chosen(plans: Plans, inputs: Inputs, who: For, request: FhirRequest, service: Service) -> list[Chosen]:
    """The plans that are named, else all that the findings call for: those on record, and those that the caller says."""
    named = inputs.texts("plan")
    if unknown := [each for each in named if each not in plans]:
        raise invalid("plan", f"{unknown[0]} is no plan of the library", "计划库中没有该计划")
    said = [Finding(each.get("system", ""), each.get("code", "")) for each in inputs.elements("finding")]
    async with service.stores.open() as store:
        known = await findings_of(who.subject, who.today, Reader(store, service))
    await service.stores.audit_log.record(request.audit("propose", 200, about=(who.patient,)))
    by_name = {each.plan.name: each for each in chosen(plans, [*known, *said])}
    if named:
        return [by_name.get(each) or Chosen(plans[each], ()) for each in dict.fromkeys(named)]
    if not by_name:
        raise unprocessable(
            "Nothing on record calls for a plan; name one",
            code="not-found",
            text="现有评估与诊断未指向任何计划，请指定计划",
        )
    return [*by_name.values()]


def _told(each: Chosen) -> Json:
    because = [
        {"name": "because", "part": [
            {"name": "code", "valueCoding": {"system": finding.system, "code": finding.code}},
            *([{"name": "source", "valueReference": reference(finding.source)}] if finding.source else []),
        ]}
        for finding in each.because
    ]  # fmt: skip
    name = {"name": "definition", "valueCanonical": each.plan.canonical}
    return {"name": "plan", "part": [name, {"name": "title", "valueString": each.plan.zh}, *because]}


def _stored(made: Made, told: list[Json], request: FhirRequest, service: Service) -> Callable[[Store, Written], Answer]:
    def finish(store: Store, written: Written) -> Answer:
        plan = written[0]
        assert plan is not None  # noqa: S101 - a create always writes
        for each in written.values():
            store.audit(request.audit("propose", 201, of=each))
        answer = parameters(*told, {"name": "carePlan", "resource": made.plan})
        return Answer(201, answer.body, ((b"location", f"{service.base}/{location(plan)}".encode()),))

    return finish
