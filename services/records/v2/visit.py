"""ADT: admission, transfer, discharge, registration as one Encounter, by its visit number: http://hl7.org/fhir/R4/encounter.html"""

from typing import Any, Final

from services.records.v2.faults import UNKNOWN_KEY, Place
from services.records.v2.person import person
from services.records.v2.work import Known, Work

Json = dict[str, Any]

_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ROLES: Final = {"attending": "ATND", "admitting": "ADM"}
_ENDED: Final = frozenset({"finished", "cancelled", "entered-in-error"})
_VISIT: Final = Place("PV1", field=19)


async def visited(work: Work) -> None:
    """Also a plain update of the person, which may tell of her visit too."""
    patient = await person(work)
    if work.message.first("PV1") is None:
        return
    if work.event.act == "update" and not work.message.first("PV1").text(19):  # type: ignore[union-attr]  # looked at above
        return
    filled = work.filled("PV1")
    elements = dict(filled.elements)
    occurred = str(work.filled("EVN").elements["occurred"])
    identifiers = [_visit_number(each, work) for each in elements.pop("identifier")]
    known = await _known(identifiers, patient, work)
    if known is None and work.event.act == "update":
        work.warn(
            _VISIT, UNKNOWN_KEY, "this visit is not known, only the person is updated", "未找到该就诊，仅更新患者信息"
        )
        return
    said = _said(elements, patient, work)
    body = _moved(known[0] if known else {"identifier": identifiers}, said, occurred, work)
    if known is None:  # of another person it is not overwritten
        body["id"] = work.own_id("Encounter", *(str(i["value"]) for i in identifiers[:1]))
        work.replace(None, body, filled.places)
    elif body != known[0]:
        work.replace(known, body, filled.places)


def _visit_number(identifier: Json, work: Work) -> Json:
    """PV1-19 is a visit number whatever CX-5 says of it."""
    kind = work.here.mapping.identifiers["PV1"]
    return {"system": kind.system, "value": identifier["value"], "assigner": work.here.itself}


async def _known(identifiers: list[Json], patient: str, work: Work) -> Known | None:
    """The visit of this person at this institution, whoever wrote it."""
    if not patient.startswith("Patient/"):
        return None
    number = identifiers[0]
    asked = (("patient", patient), ("identifier", f"{number['system']}|{number['value']}"))
    found = await work.found("Encounter", *asked)
    return next((each for each in found if each[0].get("serviceProvider") == work.here.itself), None)


def _said(elements: Json, patient: str, work: Work) -> Json:
    """What the message says of the visit, as far as it says it."""
    made: Json = {"resourceType": "Encounter", "subject": {"reference": patient}, "serviceProvider": work.here.itself}
    for name in ("class", "serviceType", "location"):
        made |= {name: elements[name]} if name in elements else {}
    people = [_participant(role, each) for role in _ROLES for each in elements.get(role, ())]
    reasons = [e["code"] for each in work.message.all("DG1") if "code" in (e := work.filled("DG1", [each]).elements)]
    for name in ("period", "hospitalization"):
        parts = {key.partition(".")[2]: value for key, value in elements.items() if key.startswith(f"{name}.")}
        made |= {name: parts} if parts else {}
    return made | ({"participant": people} if people else {}) | ({"reasonCode": reasons} if reasons else {})


def _participant(role: str, individual: Json) -> Json:
    return {"type": [{"coding": [{"system": _PARTICIPATION, "code": _ROLES[role]}]}], "individual": individual}


def _moved(known: Json, said: Json, occurred: str, work: Work) -> Json:
    """A visit that has ended stays so, whatever comes late; a place that she leaves is remembered."""
    place = said.pop("location", None)
    body = known | said
    for name in ("period", "hospitalization"):
        if name in known or name in said:
            body[name] = known.get(name, {}) | said.get(name, {})
    if known.get("status") not in _ENDED:
        body["status"] = work.event.status or known["status"]
    period = body.setdefault("period", {})
    period.setdefault("start", occurred)
    if body["status"] == "finished":
        period.setdefault("end", occurred)
    if places := _places(known.get("location", []), place, occurred, is_over=body["status"] in _ENDED):
        body["location"] = places
    return body


def _places(before: list[Json], now: Json | None, occurred: str, *, is_over: bool) -> list[Json]:
    found = [*before]
    last = found[-1] if found else None
    if now is not None and (last is None or last["location"] != now) and not (is_over and last is not None):
        found = [_left(each, occurred) for each in found]
        found.append({"location": now, "status": "active", "period": {"start": occurred}})
    return [_left(each, occurred) for each in found] if is_over else found


def _left(place: Json, occurred: str) -> Json:
    if place.get("status") != "active":
        return place
    return place | {"status": "completed", "period": place.get("period", {}) | {"end": occurred}}
