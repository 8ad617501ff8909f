"""The two plans that are to be reconciled, with their goals and the medication, as their caller may read them (docs/care-plans.md)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from services.care.operations.plans import reference_of
from services.care.plans.applying import For
from services.care.plans.lines import Line, activities, goal, medication
from services.care.plans.reading import Reader
from services.care.plans.reconciled import Plans
from services.care.plans.reconciling import compare
from services.fhir.operations.inputs import Inputs, invalid
from services.fhir.outcomes import precondition_failed, unprocessable
from services.fhir.request import FhirRequest
from services.fhir.store.rows import Stored

Json = dict[str, Any]

_GOING_ON: Final = frozenset({"draft", "active", "on-hold"})
_ORDERED: Final = "order,original-order,reflex-order,filler-order,instance-order"


async def plans_of(inputs: Inputs, who: For, request: FhirRequest, reader: Reader) -> Plans:
    discharge_name, home_name = (reference_of(inputs, each, "CarePlan") for each in ("discharge", "home"))
    if discharge_name is None:
        raise invalid("discharge", "the hospital's CarePlan", "须指明医院的出院计划")
    if discharge_name == home_name:
        raise invalid("home", "another plan than the hospital's", "两份计划不能是同一份")
    (discharge,) = await _of([discharge_name], who.subject, "discharge", reader)
    home, version = None, 0
    if home_name is not None:
        home, stored = await _stored(home_name, "home", reader)
        _check_subject(home, who.subject, "home")
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


async def _of(names: Iterable[str], subject: str, parameter: str, reader: Reader) -> list[Json]:
    found = [(await _stored(name, parameter, reader))[0] for name in names]
    for each in found:
        _check_subject(each, subject, parameter)
    return found


async def _stored(name: str, parameter: str, reader: Reader) -> tuple[Json, Stored]:
    stored = await reader.read(name, parameter, "未找到所引用的资源")
    return stored.parsed(), stored


def _check_subject(resource: Json, subject: str, parameter: str) -> None:
    if resource.get("subject", {}).get("reference") != subject:
        raise unprocessable(
            f"{parameter} is of another patient",
            code="business-rule",
            text="所引用的计划或用药属于另一位老人",
            expression=(parameter,),
        )


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
