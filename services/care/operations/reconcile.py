"""CarePlan/$reconcile: the hospital's plan for the time after and the home's own become one, line by line (docs/care-plans.md).

What comes of it is what closes a referral downward: the active plan and the answered list of medication (Task/$feedback).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.care.operations.plans import check_scopes, ids_of, who_of
from services.care.operations.reconcile_inputs import plans_of
from services.care.plans.applying import For
from services.care.plans.reading import Reader
from services.care.plans.reconciled import Plans, list_of, plan_of, provenance_of
from services.care.plans.reconciling import ANSWERS, Answer, Compared, Decided, decide, words
from services.fhir.elements import CANONICAL, reference
from services.fhir.interactions.answers import location
from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import changed, created
from services.fhir.operations.inputs import Inputs, parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import FhirError, Issue, unprocessable
from services.fhir.request import Answer as Answered
from services.fhir.request import FhirRequest
from services.fhir.scopes import UPDATE
from services.fhir.service import Service
from services.fhir.store.store import Store
from services.fhir.terminology.shipped import known_concept
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]

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
        plans = await plans_of(inputs, who, request, Reader(store, service))
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
        check_whole(request.caller, "CarePlan", UPDATE)
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
        f"{compared.id} 须由人员决定（{known_concept(_VERDICT, compared.verdict)['coding'][0].get('display', '')}）：{known}",
        ("decision",),
    )


def _told(each: Decided) -> Json:
    compared = each.compared
    home, hospital = words(compared)
    parts: list[Mapping[str, Any]] = [
        {"name": "id", "valueString": compared.id},
        {"name": "kind", "valueCode": compared.kind},
        {"name": "verdict", "valueCoding": known_concept(_VERDICT, compared.verdict)["coding"][0]},
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
