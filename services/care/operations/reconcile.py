"""CarePlan/$reconcile: the hospital's plan for the time after and the home's own become one, line by line (docs/care-plans.md).

What comes of it is what closes a referral downward: the active plan and the answered list of medication (Task/$feedback).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jiter

from services.care.alerts.codes import concept, reference
from services.care.operations.plans import check_scopes, ids_of, reference_of, who_of
from services.care.plans.applying import For
from services.care.plans.lines import Line, activities, goal, medication
from services.care.plans.reading import Reader, check_scope
from services.care.plans.reconciled import Plans, list_of, plan_of, provenance_of
from services.care.plans.reconciling import ANSWERS, Answer, Compared, Decided, compare, decide, words
from services.care.scoring.instrument import CANONICAL
from services.fhir.interactions.answers import location
from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import changed, created
from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import FhirError, Issue, precondition_failed, unprocessable
from services.fhir.request import Answer as Answered
from services.fhir.request import FhirRequest
from services.fhir.scopes import UPDATE
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store

Json = dict[str, Any]

_GOING_ON: Final = frozenset({"draft", "active", "on-hold"})
_ORDERED: Final = "order,original-order,reflex-order,filler-order,instance-order"
_VERDICT: Final = f"{CANONICAL}/CodeSystem/reconciliation-verdict"
_TAKEN: Final = {
    "subject", "organization", "practitioner", "encounter", "request", "discharge", "home", "dischargeMedication", "homeMedication",
    "decision", "commit",
}  # fmt: skip


async def reconcile(request: FhirRequest, service: Service) -> Answered:
    inputs = read_inputs(request)
    inputs.check_known(_TAKEN)
    who = await who_of(inputs, request, service)
    async with service.stores.open() as store:
        plans = await _read(inputs, who, request, Reader(store, service))
    await service.stores.audit_log.record(request.audit("reconcile", 200, about=(who.patient,)))
    decided = decide(plans.compared, _answers(inputs, plans.compared))
    if inputs.flag("commit"):
        return await _committed(plans, decided, who, request, service)
    proposed = plan_of(plans, decided, who, "proposed") | {"status": "draft"}
    shown = {name: value for name, value in proposed.items() if name != "id"}
    return parameters(*map(_told, decided), {"name": "carePlan", "resource": shown})


OPERATION: Final = Operation(
    "reconcile",
    "https://yiyang.example/fhir/OperationDefinition/CarePlan-reconcile",
    ("type",),
    ("CarePlan",),
    reconcile,
    affects_state=True,
    letters="r",
)


async def _stored(name: str, parameter: str, reader: Reader) -> tuple[Json, Stored]:
    stored = await reader.read(name, parameter, "未找到所引用的资源")
    resource: Json = jiter.from_json((stored.body or "").encode(), float_mode="decimal")
    return resource, stored


async def _of(names: Iterable[str], subject: str, parameter: str, reader: Reader) -> list[Json]:
    found = [(await _stored(name, parameter, reader))[0] for name in names]
    for each in found:
        check_subject(each, subject, parameter)
    return found


def check_subject(resource: Json, subject: str, parameter: str) -> None:
    if resource.get("subject", {}).get("reference") != subject:
        raise unprocessable(
            f"{parameter} is of another patient",
            code="business-rule",
            text="所引用的计划或用药属于另一位老人",
            expression=(parameter,),
        )


async def _read(inputs: Inputs, who: For, request: FhirRequest, reader: Reader) -> Plans:
    discharge_name, home_name = (reference_of(inputs, each, "CarePlan") for each in ("discharge", "home"))
    if discharge_name is None:
        raise invalid("discharge", "the hospital's CarePlan", "须指明医院的出院计划")
    if discharge_name == home_name:
        raise invalid("home", "another plan than the hospital's", "两份计划不能是同一份")
    (discharge,) = await _of([discharge_name], who.subject, "discharge", reader)
    home, version = None, 0
    if home_name is not None:
        home, stored = await _stored(home_name, "home", reader)
        check_subject(home, who.subject, "home")
        if home["status"] not in _GOING_ON:
            raise unprocessable(
                f"The home's plan is {home['status']}",
                code="business-rule",
                text="该计划已结束，请核对现行计划",
                expression=("home",),
            )
        version = stored.version
        if request.if_match and request.if_match != f'W/"{version}"':
            raise precondition_failed(
                "The home's plan has changed meanwhile",
                text="养老机构的计划刚刚被修改，请重新核对",
                headers={"ETag": stored.etag},
            )
    theirs = await _of(_named(inputs, "dischargeMedication"), who.subject, "dischargeMedication", reader)
    ours = await _own_medication(inputs, who, theirs, reader)
    asked = [("patient", who.subject), ("clinical-status", "active")]
    allergies = await reader.search("AllergyIntolerance", asked)
    compared = compare(
        [*map(medication, ours), *await _lines(home, "home", who, reader)],
        [*map(medication, theirs), *await _lines(discharge, "discharge", who, reader)],
        allergies,
    )
    return Plans(discharge, home, version, compared)


async def _own_medication(inputs: Inputs, who: For, theirs: Sequence[Json], reader: Reader) -> list[Json]:
    """Those that are named, else all that the elder takes, or is to take by an order, by the record, and that the hospital's list does not hold itself."""
    if named := _named(inputs, "homeMedication"):
        return await _of(named, who.subject, "homeMedication", reader)
    known, about = {_name(each) for each in theirs}, ("patient", who.subject)
    found = await reader.search("MedicationStatement", [about, ("status", "active,intended")])
    found += await reader.search("MedicationRequest", [about, ("status", "active"), ("intent", _ORDERED)])
    return [each for each in found if _name(each) not in known]


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


async def _lines(plan: Json | None, parameter: str, who: For, reader: Reader) -> list[Line]:
    if plan is None:
        return []
    if plan.get("contained"):
        raise unprocessable(
            f"{parameter} contains resources: store its goals and its team beside it",
            code="not-supported",
            text="计划内含资源，请先将目标与小组单独存储",
            expression=(parameter,),
        )
    names = [each["reference"] for each in plan.get("goal", ()) if str(each.get("reference", "")).startswith("Goal/")]
    return [*activities(plan), *map(goal, await _of(names, who.subject, "goal", reader))]


def _named(inputs: Inputs, name: str) -> list[str]:
    given = [*inputs.texts(name), *(str(each.get("reference", "")) for each in inputs.elements(name))]
    for each in given:
        if each.partition("/")[0] not in ("MedicationStatement", "MedicationRequest"):
            raise invalid(
                name, "a MedicationStatement or MedicationRequest", "应引用 MedicationStatement 或 MedicationRequest"
            )
    return given


def _answers(inputs: Inputs, compared: Sequence[Compared]) -> dict[str, tuple[Answer, str]]:
    """422 for a line that is not there, or an answer that does not fit it."""
    by_id, answers = {each.id: each for each in compared}, {}
    for group in inputs.groups("decision"):
        group.check_known({"line", "answer", "note"})
        line, answer = group.text("line") or "", group.text("answer") or ""
        found = by_id.get(line)
        fitting = next((each for each in ANSWERS[found.verdict] if each == answer), None) if found else None
        if found is None or fitting is None:
            known = ", ".join(sorted(ANSWERS[found.verdict])) if found else "a line as it was compared now"
            raise unprocessable(
                f"decision of {line or 'no line'}: {known}",
                code="value",
                text="该行已有变化或答复不适用，请重新核对" if found is None else f"该行可答复：{known}",
                expression=("decision",),
            )
        answers[line] = (fitting, group.text("note") or "")
    return answers


async def _committed(
    plans: Plans, decided: Sequence[Decided], who: For, request: FhirRequest, service: Service
) -> Answered:
    open_ = [each for each in decided if not each.answer]
    if open_:
        raise FhirError(422, tuple(_open(each.compared) for each in open_))
    ids = ids_of(who.subject, service)
    now = service.clock.now().astimezone(service.zone).isoformat(timespec="seconds")
    plan = plan_of(plans, decided, who, next(ids))
    listed = list_of(decided, who, now, next(ids))
    plan["supportingInfo"] = [*plan["supportingInfo"], reference(f"List/{listed['id']}")]
    told = provenance_of(plans, plan, listed, who, now, next(ids))
    check_scopes((plan, listed, told), request)
    intents = [created(plan), created(listed), created(told)]
    if plans.home is not None:
        check_scope("CarePlan", UPDATE, request.caller)
        intents.append(changed(plans.home | {"status": "completed"}, plans.version))

    def finish(store: Store, written: Written) -> Answered:
        first = written[0]
        assert first is not None  # noqa: S101 - a create always writes
        for each in written.values():
            store.audit(request.audit("reconcile", 201, of=each))
        made = parameters(
            *map(_told, decided),
            {"name": "carePlan", "resource": plan},
            {"name": "medication", "valueReference": reference(f"List/{listed['id']}")},
        )
        return Answered(201, made.body, ((b"location", f"{service.base}/{location(first)}".encode()),))

    return await write_all(dict(enumerate(intents)), service, finish)


def _open(compared: Compared) -> Issue:
    known = ", ".join(sorted(ANSWERS[compared.verdict]))
    return Issue(
        "error",
        "required",
        f"{compared.id} ({compared.verdict}{', ' + compared.reason if compared.reason else ''}) has to be decided: {known}",
        f"{compared.id} 须由人员决定（{concept(_VERDICT, compared.verdict)['coding'][0].get('display', '')}）：{known}",
        ("decision",),
    )


def _told(each: Decided) -> Json:
    compared = each.compared
    home, hospital = words(compared)
    parts: list[Mapping[str, Any]] = [
        {"name": "id", "valueString": compared.id},
        {"name": "kind", "valueCode": compared.kind},
        {"name": "verdict", "valueCoding": concept(_VERDICT, compared.verdict)["coding"][0]},
        *([{"name": "reason", "valueCode": compared.reason}] if compared.reason else []),
        *([{"name": "home", "valueString": home}] if home else []),
        *([{"name": "discharge", "valueString": hospital}] if hospital else []),
        *(
            {"name": "item", "valueReference": reference(line.place)}
            for line in (compared.home, compared.hospital)
            if line and line.kind != "activity"
        ),
        *([{"name": "answer", "valueCode": each.answer}] if each.answer else []),
        *([{"name": "note", "valueString": each.note}] if each.note else []),
        {"name": "isDecided", "valueBoolean": bool(each.answer)},
    ]
    return {"name": "line", "part": parts}
