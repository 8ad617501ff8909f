"""What opens a basis among the resources of referral: a referral in each of its states, a family doctor's contract (docs/adr/0011)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.fhir.access.grants import Moment, Opening, Opens, Rule, end_of, name_in, organizations, patient_in
from services.fhir.access.purposes import OVERRIDING

Json = dict[str, Any]

CONTRACT_TYPE: Final = "https://yiyang.example/fhir/CodeSystem/contract-type"
EMERGENCY: Final = timedelta(hours=4)
_ASKED: Final = frozenset({"requested", "received"})
_ACCEPTED: Final = frozenset({"accepted", "ready", "in-progress", "on-hold"})
_DONE: Final = frozenset({"completed", "failed"})
_UNDONE: Final = frozenset({"rejected", "cancelled"})
_CONTRACT_OVER: Final = frozenset({"terminated", "cancelled", "revoked", "renewed"})


def task(resource: Json, moment: Moment) -> Opens:
    """The package before acceptance, the record from acceptance, nothing a while after the end: docs/glossary.md

    An urgent call for help 紧急呼叫 opens the record for four hours to whom it is sent, under an emergency's purpose.
    """
    patient, codes = patient_in(resource.get("for")), _codes(resource.get("code"))
    if patient is None:
        return Opens()
    if "referral" in codes:
        return Opens((*_to_fulfiller(resource, patient, moment), *_to_placer(resource, patient, moment)))
    if "sos" in codes and resource["status"] in _ASKED | _ACCEPTED:
        return Opens(tuple(_emergency(patient, organizations(resource.get("owner")), moment)))
    return Opens()


def _to_fulfiller(resource: Json, patient: str, moment: Moment) -> Iterator[Opening]:
    status, owners = resource["status"], organizations(resource.get("owner"))
    after = moment.at + moment.grace
    if status in _ASKED | _ACCEPTED:
        yield from _limited(patient, owners, "referral-task", (f"Task/{moment.id}",), moment, None, may_write=True)
    elif status in _DONE | _UNDONE:
        yield from _limited(patient, owners, "referral-task", (f"Task/{moment.id}",), moment, after, may_write=True)
    if status in _ASKED:
        yield from _limited(patient, owners, "referral-package", _package(resource, patient), moment, None)
        if resource.get("priority") == "stat":
            yield from _emergency(patient, owners, moment)
    elif status in _ACCEPTED | _DONE:
        ends = after if status in _DONE else None
        for owner in owners:
            yield Opening(patient, owner, "referral", moment.at, ends, is_answered=True)


def _to_placer(resource: Json, patient: str, moment: Moment) -> Iterator[Opening]:
    """The answer comes back to who asked, whatever else it may still see of the patient."""
    status, placers = resource["status"], organizations(resource.get("requester"))
    if status not in _ASKED | _ACCEPTED | _DONE | _UNDONE:
        return
    ends = moment.at + moment.grace if status in _DONE | _UNDONE else None
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
            founds=False,
            overrides=True,
        )


def contract(resource: Json, moment: Moment) -> Opens:
    """家庭医生签约: the contract of a patient with a family doctor's institution."""
    patients = [p for each in resource.get("subject", ()) if (p := patient_in(each))]
    if "family-doctor" not in _codes(resource.get("type"), CONTRACT_TYPE) or len(patients) != 1:
        return Opens()
    is_over = resource.get("status") in _CONTRACT_OVER
    if not is_over and resource.get("status") != "executed":
        return Opens()
    parties = [*resource.get("authority", ()), *(signer.get("party") for signer in resource.get("signer", ()))]
    ends = end_of(resource.get("applies"), moment, is_over=is_over)
    holders = organizations(*parties)
    return Opens(tuple(Opening(patients[0], each, "contract", moment.at, ends) for each in holders))


def _codes(concept: Any, system: str | None = None) -> set[str]:
    codings = (concept or {}).get("coding", ())
    return {c["code"] for c in codings if "code" in c and (system is None or c.get("system") == system)}


OPENINGS: Final[Mapping[str, Rule]] = {"Task": task, "Contract": contract}
