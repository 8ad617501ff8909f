"""A person out of reach whose message brings her signed consent: CON makes it a Patient/$register (docs/adr/0011, docs/adr/0043)."""

from datetime import date, datetime, time
from typing import Any, Final

import msgspec

from services.fhir.outcomes import FhirError
from services.fhir.request import FhirRequest
from services.records.v2.datatypes import LOCAL
from services.records.v2.faults import DATA_TYPE, UNKNOWN_KEY, Fault, NotTakenError, Place
from services.records.v2.work import Work

Json = dict[str, Any]

_WAY_IN: Final = "$register"
_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_CATEGORY: Final = "https://yiyang.example/fhir/CodeSystem/consent-category"
_FHIR: Final = {b"content-type": b"application/fhir+json"}
_NOT_FOUND: Final = 404
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def is_out_of_reach(error: FhirError, work: Work) -> bool:
    """Is it a person whom others know, and does the message bring what lets the sender in?"""
    return work.message.first("CON") is not None and any(_WAY_IN in issue.diagnostics for issue in error.issues)


def registration(work: Work, request: FhirRequest) -> FhirRequest:
    """The statement of who she is, with the consent that names this institution."""
    patient = next(each["resource"] for each in work.entries if each["resource"]["resourceType"] == "Patient")
    stated = {name: value for name, value in patient.items() if name != "id"}
    parts = [{"name": "patient", "resource": stated}, {"name": "consent", "resource": _consent(work)}]
    body = _encode({"resourceType": "Parameters", "parameter": parts})
    return FhirRequest(
        "POST", {"type": "Patient", "operation": "register"}, "", _FHIR, body, request.caller, request.at
    )


def refused(error: FhirError) -> NotTakenError:
    """Wrong facts answer as an unknown person does."""
    issue = error.issues[0]
    place, code = (Place("PID", field=3), UNKNOWN_KEY) if error.status == _NOT_FOUND else (Place("CON"), DATA_TYPE)
    return NotTakenError("AE", Fault(place, code, f"{place}: {issue.diagnostics}", f"{place}：{issue.text}"))


def _consent(work: Work) -> Json:
    """The paper stays with the sender, under its number; what it permits is to treat her, until it ends."""
    said = work.filled("CON").elements
    ends = (("start", time(0, 0, 0)), ("end", time(23, 59, 59)))
    period = {name: _instant(said[name], at, work) for name, at in ends if name in said}
    paper = {"system": f"{LOCAL}/{work.here.organization}/consent", "value": said["number"]}
    recipient = {"coding": [{"system": f"{_HL7}/v3-ParticipationType", "code": "IRCP"}]}
    rule = {
        "type": "permit",
        "period": period,
        "actor": [{"role": recipient, "reference": work.here.itself}],
        "purpose": [{"system": f"{_HL7}/v3-ActReason", "code": "TREAT"}],
    }
    made: Json = {
        "resourceType": "Consent",
        "status": said["status"],
        "scope": {"coding": [{"system": f"{_HL7}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": _CATEGORY, "code": "separate-sensitive"}]}],
        "organization": [work.here.itself],
        "sourceReference": {"type": "DocumentReference", "identifier": paper},
        "policyRule": {"text": "中华人民共和国个人信息保护法 第二十三条、第二十九条"},
        "provision": {"provision": [rule]},
    }
    return made | ({"dateTime": said["dateTime"]} if "dateTime" in said else {})


def _instant(text: str, at: time, work: Work) -> str:
    """A consent counts from instant to instant: a day begins at midnight, and lasts until it is over."""
    if len(text) != len("2026-11-24"):
        return text
    return datetime.combine(date.fromisoformat(text), at, work.here.zone).isoformat()
