"""The Composition of a patient summary, each section with its narrative: http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from services.fhir.access.grants import name_in
from services.fhir.pages import words
from services.fhir.pages.sheet import Paragraph
from services.fhir.pages.tables import tables
from services.fhir.pages.xhtml import narrative
from services.records.labels import highest
from services.records.summary.found import Filled, Resolve
from services.records.summary.sections import LOINC

Json = dict[str, Any]

TITLE: Final = "患者摘要"
NOTE: Final = (
    "本摘要由平台按调阅者的权限从健康档案自动汇集，可能不完整：未列出的内容不等于不存在。",
    "Made from the record as far as its reader may see it, so it may be incomplete: what is not listed may exist all the same.",
)
_IPS: Final = "http://hl7.org/fhir/uv/ips/StructureDefinition"
BUNDLE_PROFILE: Final = f"{_IPS}/Bundle-uv-ips"
_URN: Final = "urn:ietf:rfc:3986"
_REASONS: Final = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_EMPTY: Final = {
    "unavailable": ("Unavailable", "暂无资料（平台内未查到，不等于没有）"),
    "withheld": ("Information Withheld", "调阅者的授权范围不含此类资料"),
}
PLATFORM: Final = "医养 Yiyang"
_PROVISION: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActClass",
    "code": "PCPR",
    "display": "care provision",
}


class About(msgspec.Struct, frozen=True):
    """Whose summary, made when; `id` is that of the Composition, `author` the reference to the platform's Device."""

    patient: Json
    id: str
    author: str
    at: datetime
    zone: ZoneInfo
    base: str

    def url(self, name: str) -> Json:
        """A Composition that is on no server cannot refer to its neighbours by less than their whole URL."""
        return {"reference": f"{self.base}/{name}"}


def composition(about: About, sections: Sequence[Filled], resolve: Resolve) -> Json:
    when = about.at.astimezone(about.zone).isoformat(timespec="seconds")
    custodian = about.patient.get("managingOrganization")
    code = confidentiality(about.patient, sections)
    return {
        "resourceType": "Composition",
        "id": about.id,
        "meta": {"profile": [f"{_IPS}/Composition-uv-ips"]},
        "language": "zh-CN",
        "text": narrative([Paragraph(text) for text in (_whose(about.patient, about.zone), *NOTE) if text]),
        "identifier": {"system": _URN, "value": f"urn:uuid:{about.id}"},
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": about.url(f"Patient/{about.patient['id']}"),
        "date": when,
        "author": [{"reference": about.author, "display": PLATFORM}],
        "title": TITLE,
        **({"confidentiality": code["code"]} if code else {}),
        **({"custodian": about.url(name_in(custodian) or "")} if resolve(custodian) else {}),
        "event": [{"code": [{"coding": [_PROVISION]}], "period": {"end": when}}],
        "section": [_section(each, resolve, about) for each in sections],
    }


def platform(device_id: str) -> Json:
    """Who made it: no person has looked at it."""
    name = {"name": PLATFORM, "type": "user-friendly-name"}
    return {"resourceType": "Device", "id": device_id, "deviceName": [name]}


def confidentiality(patient: Json, sections: Iterable[Filled]) -> Json | None:
    return highest((patient, *(each for filled in sections for each in filled.resources)))


def _whose(patient: Json, zone: ZoneInfo) -> str:
    about = (
        words.person(patient.get("name")),
        words.GENDERS.get(patient.get("gender", ""), ""),
        words.day(patient.get("birthDate"), zone),
    )
    return "，".join(filter(None, about))


def _section(filled: Filled, resolve: Resolve, about: About) -> Json:
    section = filled.section
    made: Json = {
        "title": section.zh,
        "code": {"coding": [{"system": section.system, "code": section.code, "display": section.en}]},
    }
    if filled.resources:
        entries = [about.url(f"{each['resourceType']}/{each['id']}") for each in filled.resources]
        return made | {"text": narrative(tables(filled.resources, resolve, about.zone)), "entry": entries}
    code = "withheld" if filled.is_withheld else "unavailable"
    display, text = _EMPTY[code]
    coding = {"system": _REASONS, "code": code, "display": display}
    return made | {"text": narrative([Paragraph(text)]), "emptyReason": {"coding": [coding], "text": text}}
