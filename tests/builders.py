"""The smallest valid resources, changed by keyword: `patient(gender="male")`, `task(at="accepted")`. A None removes an element.

What must be there is R4's: http://hl7.org/fhir/R4/resourcelist.html
"""

import itertools
from datetime import date
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from services.kit.identifiers import id_number, uscc

Json = dict[str, Any]

CHINA: Final = ZoneInfo("Asia/Shanghai")
"""A day begins at 16:00 UTC here: what a test says of today, it says in this zone."""
ID_NUMBER: Final = "urn:oid:2.16.156.10011.1.3"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
UNASSIGNED: Final = "999000"  # no division, so nobody's number
STATES: Final = {  # business status → Task.status, ServiceRequest.status: the states of a referral
    "draft": ("draft", "draft"),
    "submitted": ("requested", "active"),
    "received": ("received", "active"),
    "info-requested": ("received", "active"),
    "accepted": ("accepted", "active"),
    "scheduled": ("ready", "active"),
    "in-transit": ("ready", "active"),
    "no-show": ("on-hold", "active"),
    "arrived": ("in-progress", "active"),
    "treating": ("in-progress", "active"),
    "paused": ("on-hold", "active"),
    "back-offered": ("in-progress", "active"),
    "cancel-requested": ("in-progress", "active"),
    "feedback-sent": ("completed", "active"),
    "closed": ("completed", "completed"),
    "rejected": ("rejected", "active"),
    "withdrawn": ("cancelled", "revoked"),
    "expired": ("cancelled", "revoked"),
    "not-selected": ("cancelled", "active"),
    "terminated": ("failed", "revoked"),
    "voided": ("entered-in-error", "entered-in-error"),
}

_numbers = itertools.count(1)


def patient(**changes: Any) -> Json:
    return _resource("Patient", {}, changes)


def known_patient(**changes: Any) -> Json:
    """A patient with name, birth date and a valid 身份证号 that is nobody's, another one at each call."""
    number = next(_numbers)
    birth = date(1930 + number // 250 % 30, 1 + number // 20 % 12, 1 + number % 28)
    identity = id_number(UNASSIGNED, birth, number % 999 + 1)
    elements = {
        "identifier": [{"system": ID_NUMBER, "value": identity}],
        "name": [{"text": "王秀英", "family": "王", "given": ["秀英"]}],
        "gender": "male" if int(identity[16]) % 2 else "female",
        "birthDate": birth.isoformat(),
    }
    return _resource("Patient", elements, changes)


def organization(**changes: Any) -> Json:
    return _resource("Organization", {"name": "滨河养老院"}, changes)


def practitioner(**changes: Any) -> Json:
    return _resource("Practitioner", {}, changes)


def observation(subject: str | None = None, **changes: Any) -> Json:
    """A pulse of 72/min, of `Patient/…` where one is named."""
    elements = {
        "status": "final",
        "code": coded(LOINC, "8867-4"),
        "effectiveDateTime": "2024-05-01T08:00:00+08:00",
        "valueQuantity": {"value": 72, "unit": "次/分", "system": UCUM, "code": "/min"},
    }
    return _resource("Observation", elements | _reference("subject", subject), changes)


def condition(subject: str, **changes: Any) -> Json:
    return _resource("Condition", _reference("subject", subject), changes)


def encounter(subject: str | None = None, at: str = "in-progress", **changes: Any) -> Json:
    act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return _resource("Encounter", {"status": at, "class": act} | _reference("subject", subject), changes)


def service_request(subject: str, at: str = "submitted", **changes: Any) -> Json:
    """An order for a referral, in the state that its workflow has reached."""
    elements = {"status": STATES[at][1], "intent": "order"} | _reference("subject", subject)
    return _resource("ServiceRequest", elements, changes)


def task(focus: str | None = None, at: str = "submitted", **changes: Any) -> Json:
    elements = {"status": STATES[at][0], "intent": "order", "businessStatus": {"coding": [{"code": at}]}}
    return _resource("Task", elements | _reference("focus", focus), changes)


def care_plan(subject: str, at: str = "active", **changes: Any) -> Json:
    return _resource("CarePlan", {"status": at, "intent": "plan"} | _reference("subject", subject), changes)


def episode_of_care(subject: str, at: str = "active", **changes: Any) -> Json:
    return _resource("EpisodeOfCare", {"status": at} | _reference("patient", subject), changes)


def questionnaire_response(subject: str | None = None, at: str = "completed", **changes: Any) -> Json:
    return _resource("QuestionnaireResponse", {"status": at} | _reference("subject", subject), changes)


def appointment(actor: str, at: str = "booked", **changes: Any) -> Json:
    elements = {
        "status": at,
        "start": "2024-05-02T09:00:00+08:00",
        "end": "2024-05-02T09:30:00+08:00",
        "participant": [{"actor": {"reference": actor}, "status": "accepted"}],
    }
    return _resource("Appointment", elements, changes)


def composition(subject: str, author: str, **changes: Any) -> Json:
    elements = {
        "status": "final",
        "type": coded(LOINC, "57133-1"),
        "date": "2024-05-01T10:00:00+08:00",
        "author": [{"reference": author}],
        "title": "转诊单",
    }
    return _resource("Composition", elements | _reference("subject", subject), changes)


def document(*resources: Json, **changes: Any) -> Json:
    """A document Bundle; the first resource is its Composition."""
    elements = {
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": uuid4().urn},
        "timestamp": "2024-05-01T10:00:00+08:00",
        "entry": [{"fullUrl": uuid4().urn, "resource": resource} for resource in resources],
    }
    return _resource("Bundle", elements, changes)


def transaction(*entries: Json, kind: str = "transaction") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def batch(*entries: Json) -> Json:
    return transaction(*entries, kind="batch")


def entry(method: str, url: str, resource: Json | None = None, full_url: str | None = None, **request: Any) -> Json:
    """A Bundle entry; `request` takes ifMatch, ifNoneExist, …"""
    made: Json = {"request": {"method": method, "url": url, **request}}
    return ({"fullUrl": full_url} if full_url else {}) | ({"resource": resource} if resource else {}) | made


def create(resource: Json, full_url: str | None = None, **request: Any) -> Json:
    return entry("POST", resource["resourceType"], resource, full_url, **request)


def urn() -> str:
    """A fresh `urn:uuid:` for a fullUrl."""
    return uuid4().urn


def coded(system: str, code: str, display: str | None = None) -> Json:
    """A CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def institution_code(number: int = 1) -> str:
    """A valid 统一社会信用代码 of a made-up nursing home in Wuhai."""
    return uscc("52", "150302", f"DEM{number:05d}")


def _resource(resource_type: str, elements: Json, changes: Json) -> Json:
    made = {"resourceType": resource_type, **elements, **changes}
    return {name: value for name, value in made.items() if value is not None}


def _reference(element: str, target: str | None) -> Json:
    return {element: {"reference": target}} if target else {}
