"""What opens a basis among the resources of referral: a referral in each of its states, a family doctor's contract, a booking (docs/adr/0011)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.fhir.access.grants import Moment, Opening, Opens, Rule, end_of, name_in, organizations, patient_in
from services.fhir.access.purposes import OVERRIDING
from services.fhir.elements import codes_in
from services.fhir.tasks.table import workflow_of
from services.referral.booking.states import HOLDING, is_over, provider_of
from services.referral.codes import CONTRACT_TYPE, TASK_CODE, is_referral
from services.referral.states import CHOSEN, PRESENT, WAITING, state_of

Json = dict[str, Any]

EMERGENCY: Final = timedelta(hours=4)
AGREED: Final = (
    "AllergyIntolerance", "Appointment", "CarePlan", "Condition", "DeviceUseStatement", "DiagnosticReport", "Flag", "Immunization",
    "MedicationRequest", "MedicationStatement", "NutritionOrder", "Observation", "Patient", "Procedure", "QuestionnaireResponse",
    "RiskAssessment",
)  # fmt: skip
"""The agreed compartment: the classes of a patient's summary, by which an institution prepares for who is on the way."""
_AWAITED: Final = CHOSEN - PRESENT
_CALLED: Final = frozenset({"requested", "received", "accepted", "ready", "in-progress", "on-hold"})
_DONE: Final = frozenset({"feedback-sent", "closed", "terminated"})
_UNDONE: Final = frozenset({"rejected", "withdrawn", "expired", "not-selected"})
_ENDED: Final = frozenset({"completed", "rejected", "cancelled", "failed", "entered-in-error"})
_CONTRACT_OVER: Final = frozenset({"terminated", "cancelled", "revoked", "renewed"})


def task(resource: Json, moment: Moment) -> Opens:
    """The package before acceptance, what prepares an arrival with it from acceptance, the record from arrival, nothing a while after the end.

    An urgent call for help 紧急呼叫 opens the record for four hours to whom it is sent, under an emergency's purpose.
    """
    patient = patient_in(resource.get("for"))
    if patient is None:
        return Opens()
    if is_referral(resource):
        return Opens((*_to_fulfiller(resource, patient, moment), *_to_placer(resource, patient, moment)))
    if "sos" in codes_in(resource.get("code"), TASK_CODE) and resource["status"] in _CALLED:
        return Opens(tuple(_emergency(patient, organizations(resource.get("owner")), moment)))
    if workflow_of(resource) is not None:
        return Opens(tuple(_to_answer(resource, patient, moment)))
    return Opens()


def _to_answer(resource: Json, patient: str, moment: Moment) -> Iterator[Opening]:
    """Of a complaint or an application, who is to answer sees it and what it names, and a while after its end no more."""
    names = (f"Task/{moment.id}", *_package(resource, patient)) if resource.get("input") else (f"Task/{moment.id}",)
    ends = moment.at + moment.grace if resource["status"] in _ENDED else None
    owners = organizations(resource.get("owner"))
    yield from _limited(patient, owners, "referral-task", names, moment, ends, may_write=True)


def _to_fulfiller(resource: Json, patient: str, moment: Moment) -> Iterator[Opening]:
    state, owners = state_of(resource), organizations(resource.get("owner"))
    after = moment.at + moment.grace
    if state in WAITING | CHOSEN:
        yield from _limited(patient, owners, "referral-task", (f"Task/{moment.id}",), moment, None, may_write=True)
    elif state in _DONE | _UNDONE:
        yield from _limited(patient, owners, "referral-task", (f"Task/{moment.id}",), moment, after, may_write=True)
    if state in WAITING | _AWAITED:
        yield from _limited(patient, owners, "referral-package", _package(resource, patient), moment, None)
    if state in WAITING and resource.get("priority") == "stat":
        yield from _emergency(patient, owners, moment)
    if state in CHOSEN | _DONE:
        ends = after if state in _DONE else None
        types = AGREED if state in _AWAITED else None
        for owner in owners:
            yield Opening(patient, owner, "referral", moment.at, ends, types, is_answered=True)


def _to_placer(resource: Json, patient: str, moment: Moment) -> Iterator[Opening]:
    """The answer comes back to who asked, whatever else it may still see of the patient."""
    state, placers = state_of(resource), organizations(resource.get("requester"))
    if state not in WAITING | CHOSEN | _DONE | _UNDONE:
        return
    ends = moment.at + moment.grace if state in _DONE | _UNDONE else None
    own = _named([resource.get("focus")])
    outputs = _named(each.get("valueReference") for each in resource.get("output", ()))
    names = (*_package(resource, patient), *outputs)
    yield from _limited(patient, placers, "referral-return", names, moment, ends)
    yield from _limited(patient, placers, "referral-task", (f"Task/{moment.id}", *own), moment, ends, may_write=True)


def _package(resource: Json, patient: str) -> tuple[str, ...]:
    inputs = (each.get("valueReference") for each in resource.get("input", ()))
    return (f"Patient/{patient}", *_named([resource.get("focus"), *inputs]))


def _named(references: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in references if (name := name_in(each))))


def _limited(
    patient: str,
    holders: Iterable[str],
    basis: Any,
    names: tuple[str, ...],
    moment: Moment,
    ends: datetime | None,
    *,
    may_write: bool = False,
) -> Iterator[Opening]:
    for holder in holders:
        yield Opening(patient, holder, basis, moment.at, ends, resources=names, may_write=may_write, founds=False)


def _emergency(patient: str, owners: Iterable[str], moment: Moment) -> Iterator[Opening]:
    for owner in owners:
        yield Opening(
            patient,
            owner,
            "emergency",
            moment.at,
            moment.at + EMERGENCY,
            purposes=tuple(sorted(OVERRIDING)),
            may_write=False,
            founds=False,
            overrides=True,
        )


def contract(resource: Json, moment: Moment) -> Opens:
    """家庭医生签约: the contract of a patient with a family doctor's institution."""
    patients = [p for each in resource.get("subject", ()) if (p := patient_in(each))]
    if "family-doctor" not in codes_in(resource.get("type"), CONTRACT_TYPE) or len(patients) != 1:
        return Opens()
    is_over = resource.get("status") in _CONTRACT_OVER
    if not is_over and resource.get("status") != "executed":
        return Opens()
    parties = [*resource.get("authority", ()), *(signer.get("party") for signer in resource.get("signer", ()))]
    ends = end_of(resource.get("applies"), moment, is_over=is_over)
    holders = organizations(*parties)
    return Opens(tuple(Opening(patients[0], each, "contract", moment.at, ends) for each in holders))


def appointment(resource: Json, moment: Moment) -> Opens:
    """Whose number source is booked sees the Appointment and who comes, and may answer it; of the record nothing."""
    patients = [p for each in resource.get("participant", ()) if (p := patient_in(each.get("actor")))]
    providers = organizations(provider_of(resource))
    is_done = is_over(resource)
    if not providers or not (is_done or resource.get("status") in HOLDING):
        return Opens()
    ends = end_of({"end": resource.get("end")}, moment, is_over=is_done)
    openings: list[Opening] = []
    for patient in dict.fromkeys(patients):
        own = (f"Appointment/{moment.id}",)
        openings += _limited(patient, providers, "booking", own, moment, ends, may_write=True)
        openings += _limited(patient, providers, "booked-patient", (f"Patient/{patient}",), moment, ends)
    return Opens(tuple(openings))


OPENINGS: Final[Mapping[str, Rule]] = {"Task": task, "Contract": contract, "Appointment": appointment}
