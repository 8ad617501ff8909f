"""The AuditEvent of an audit row, by the profiles of IHE BALP: https://profiles.ihe.net/ITI/BALP/content.html"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.elements import concept

Json = dict[str, Any]

BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
CLIENT: Final = "https://yiyang.example/fhir/sid/client"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PURPOSE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_REQUEST: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"

# interaction → (profile, action); what is not here is an operation
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "read": ("Read", "R"),
    "vread": ("Read", "R"),
    "history-instance": ("Read", "R"),
    "history-type": ("Read", "R"),
    "history-system": ("Read", "R"),
    "create": ("Create", "C"),
    "update": ("Update", "U"),
    "patch": ("Update", "U"),
    "delete": ("Delete", "D"),
    "search-type": ("Query", "E"),
    "search-system": ("Query", "E"),
}
_OPERATION: Final = ("Query", "E")

# Who gets in, and who may: https://dicom.nema.org/medical/dicom/current/output/html/part16.html#sect_CID_400
_AUTHENTICATION: Final = ("110114", "User Authentication")
_ALERT: Final = ("110113", "Security Alert")
_LOOK: Final = ("110112", "Query")
_SECURITY: Final[Mapping[str, tuple[tuple[str, str], str | None]]] = {
    **dict.fromkeys(("login", "authorize", "token", "authenticate"), (_AUTHENTICATION, "110122")),
    **dict.fromkeys(("logout", "revoke"), (_AUTHENTICATION, "110123")),
    "introspect": (_AUTHENTICATION, "110126"),
    **dict.fromkeys(("client-add", "client-disable", "client-enable"), (_ALERT, "110137")),
    **dict.fromkeys(("client-list", "client-get"), (_LOOK, None)),
}
_OVERRIDE: Final = {"break-glass": "110127"}  # Emergency Override Started
_GOOD: Final = 400
_REFUSED: Final = 500


class Access(msgspec.Struct, frozen=True):
    """An audit row as PostgreSQL writes it in JSON."""

    event: str
    at: datetime
    interaction: str
    status: int
    client: str
    request: str
    organization: str | None = None
    practitioner: str | None = None
    purpose: str | None = None
    jti: str | None = None
    type: str | None = None
    id: str | None = None
    version: int | None = None
    patient: str | None = None
    patients: tuple[str, ...] | None = None
    query: str | None = None

    @property
    def recorded(self) -> str:
        return f"{self.at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"

    @property
    def about(self) -> tuple[str, ...]:
        return (self.patient,) if self.patient else self.patients or ()


class _Made(msgspec.Struct, frozen=True):
    audit: Access


_decode: Final = msgspec.json.Decoder(_Made).decode
MADE: Final = '{"audit" : '  # how such a body begins, and no resource: view fhir.auditevents


def body_of(made: str) -> str:
    """The resource as a read answers it, from what the view says of a row."""
    return audit_event(_decode(made).audit)


def audit_event(row: Access) -> str:
    kind, action = _KINDS.get(row.interaction, _OPERATION)
    made = msgspec.json.encode(
        {
            "resourceType": "AuditEvent",
            "id": row.event,
            "meta": {"versionId": "1", "lastUpdated": row.recorded, **_profile(row, kind)},
            **_what(row),
            "action": action,
            "recorded": row.recorded,
            "outcome": _outcome(row.status),
            "outcomeDesc": f"HTTP {row.status}",
            **_purpose(row, "purposeOfEvent"),
            "agent": _agents(row, is_source=kind != "Read"),
            "source": {"site": "yiyang", "observer": {"display": "Yiyang"}},
            "entity": _entities(row),
        }
    )
    return made.decode()


def _profile(row: Access, kind: str) -> Json:
    """BALP has profiles for what is done to resources; how somebody got in has none."""
    return {} if row.interaction in _SECURITY else {"profile": [f"{BALP}{'Patient' if row.about else ''}{kind}"]}


def _what(row: Access) -> Json:
    if row.interaction in _SECURITY:
        (code, display), subtype = _SECURITY[row.interaction]
        told: Json = {"type": {"system": _DICOM, "code": code, "display": display}}
        return told | ({"subtype": [{"system": _DICOM, "code": subtype}]} if subtype else {})
    subtypes = [{"system": _INTERACTIONS, "code": _interaction(row)}]
    if row.interaction in _OVERRIDE:
        subtypes.append({"system": _DICOM, "code": _OVERRIDE[row.interaction]})
    return {"type": {"system": _TYPES, "code": "rest", "display": "RESTful Operation"}, "subtype": subtypes}


def _interaction(row: Access) -> str:
    return row.interaction if row.interaction in _KINDS else "operation"


def _outcome(status: int) -> str:
    """http://hl7.org/fhir/R4/valueset-audit-event-outcome.html: what was refused is a minor failure."""
    return "0" if status < _GOOD else "4" if status < _REFUSED else "8"


def _agents(row: Access, *, is_source: bool) -> list[Json]:
    """Who asked, for which institution, through which system; the server."""
    client, server = ("110153", "110152") if is_source else ("110152", "110153")
    agents: list[Json] = [
        {
            "type": concept(_DICOM, client),
            "who": {"identifier": {"system": CLIENT, "value": row.client}},
            "requestor": row.practitioner is None,
            **({"policy": [f"urn:jti:{row.jti}"]} if row.jti else {}),
        },
        {"type": concept(_DICOM, server), "who": {"display": "Yiyang"}, "requestor": False},
    ]
    if row.organization:
        who = {"reference": f"Organization/{row.organization}"}
        agents.append({"type": concept(_PARTICIPATION, "CST"), "who": who, "requestor": False})
    if row.practitioner:
        kind, slash, _ = row.practitioner.partition("/")
        who = {"reference": row.practitioner if slash and kind else f"Practitioner/{row.practitioner}"}
        agents.append(
            {"type": concept(_PARTICIPATION, "IRCP"), "who": who, "requestor": True, **_purpose(row, "purposeOfUse")}
        )
    return agents


def _entities(row: Access) -> list[Json]:
    entities: list[Json] = [
        {"what": {"identifier": {"value": row.request}}, "type": {"system": _REQUEST, "code": "XrequestId"}}
    ]
    entities += [
        {
            "what": {"reference": f"Patient/{patient}"},
            "type": {"system": _ENTITY_TYPE, "code": "1"},
            "role": {"system": _ROLE, "code": "1"},
        }
        for patient in row.about
    ]
    if row.type and row.id and (row.type, row.id) != ("Patient", row.patient):
        entities.append(
            {
                "what": {"reference": f"{row.type}/{row.id}"},
                "type": {"system": _ENTITY_TYPE, "code": "2"},
                "role": {"system": _ROLE, "code": "4"},
                **({"detail": [{"type": "version", "valueString": str(row.version)}]} if row.version else {}),
            }
        )
    if row.query is not None or (row.type and not row.id):
        asked = f"{row.type or ''}?{row.query or ''}"
        entities.append(
            {
                "type": {"system": _ENTITY_TYPE, "code": "2"},
                "role": {"system": _ROLE, "code": "24"},
                "query": base64.b64encode(asked.encode()).decode(),
            }
        )
    return entities


def _purpose(row: Access, element: str) -> Json:
    return {element: [concept(_PURPOSE, row.purpose)]} if row.purpose else {}
