"""A referral up and one back as the slip is filled in from them: docs/adr/0029"""

from typing import Any, Final

from services.fhir.pages.document import Document
from services.referral.slip.papers import Papers
from tests import builders
from tests.builders import CHINA, LOINC, coded

Json = dict[str, Any]


SYSTEM: Final = "https://yiyang.example/fhir/CodeSystem"
NUMBER: Final = "https://yiyang.example/fhir/sid/referral-no"
RECORD: Final = "urn:oid:2.16.156.10011.1.2"
INPATIENT: Final = "urn:oid:2.16.156.10011.1.12"
PATIENT: Final = "Patient/elder-1"
CLINIC: Final = {"reference": "Organization/clinic-1", "display": "凤凰社区卫生服务中心"}
HOSPITAL: Final = {"reference": "Organization/hospital-1", "display": "甘德尔医院"}
DOCTOR: Final = {"reference": "Practitioner/doctor-1", "display": "张文博"}


def elder(**changes: Any) -> Json:
    elements = {
        "id": "elder-1",
        "identifier": [{"system": RECORD, "value": "999000-0001"}, {"system": INPATIENT, "value": "ZY-7"}],
        "name": [{"text": "王秀英"}],
        "gender": "female",
        "birthDate": "1940-11-21",
        "address": [{"text": "乌海市海勃湾区滨河大道演示路1号"}],
        "telecom": [{"system": "phone", "value": "0473-0000008"}],
    }
    return builders.patient(**(elements | changes))


def section(code: str, title: str, text: str = "", entries: tuple[str, ...] = (), empty: str = "") -> Json:
    made: Json = {"title": title, "code": coded(LOINC, code)}
    if text:
        made["text"] = {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>',
        }
    if entries:
        made["entry"] = [{"reference": each} for each in entries]
    if empty:
        made["emptyReason"] = coded("http://terminology.hl7.org/CodeSystem/list-empty-reason", empty)
    return made


def package(*sections: Json, patient: str = PATIENT, others: tuple[Json, ...] = (), **changes: Any) -> Json:
    elements = {
        "attester": [{"mode": "legal", "time": "2026-11-20T11:00:00+08:00", "party": DOCTOR}],
        "section": list(sections),
        "date": "2026-11-20T11:00:00+08:00",
    }
    note = builders.composition(patient, DOCTOR["reference"], **(elements | changes)) | {"author": [DOCTOR]}
    made = builders.document(note, *others)
    for entry in made["entry"][1:]:
        entry["fullUrl"] = f"http://127.0.0.1:8000/fhir/{entry['resource']['resourceType']}/{entry['resource']['id']}"
    return made


def up_package(**changes: Any) -> Json:
    pressure = builders.observation(
        PATIENT,
        id="pressure-1",
        code={"text": "血压"},
        valueQuantity=None,
        component=[
            {"code": {"text": "收缩压"}, "valueQuantity": {"value": 168, "unit": "mmHg"}},
            {"code": {"text": "舒张压"}, "valueQuantity": {"value": 96, "unit": "mmHg"}},
        ],
        effectiveDateTime="2026-11-20T02:00:00Z",
    )
    return package(
        section("11450-4", "初步印象", "<p>心力衰竭？</p>"),
        section("42349-1", "转诊原因/主要现病史", "<p>活动后胸闷气促三天，BNP 10<sup>3</sup> pg/mL</p>"),
        section("11348-0", "主要既往史", "<ul><li>高血压十余年</li><li>白内障术后</li></ul>"),
        section("8648-8", "治疗经过", "<p>吸氧、含服硝酸甘油</p>"),
        section("48765-2", "过敏史", empty="nilknown"),
        section("8716-3", "生命体征", "<p>今日上门测量</p>", ("Observation/pressure-1",)),
        others=(elder(), pressure),
        **changes,
    )


def back_package() -> Json:
    return package(
        section("11535-2", "诊断结果", "<p>慢性心力衰竭急性加重</p>"),
        section(
            "30954-2",
            "主要检查结果",
            "<table><tr><th>项目</th><th>结果</th></tr><tr><td>BNP</td><td>420</td></tr></table>",
        ),
        section("8648-8", "治疗经过", "<p>利尿、扩血管治疗</p>"),
        section("18776-5", "下一步治疗方案及康复建议", "<p>低盐饮食，两周复诊</p>"),
        section("10183-2", "出院用药（已核对）", "<p>呋塞米新增</p>"),
        others=(elder(),),
        title="回转单",
        type=coded(LOINC, "18842-5"),
    )


def order(direction: str = "up", at: str = "submitted", patient: str = PATIENT, **changes: Any) -> Json:
    elements = {
        "identifier": [{"system": NUMBER, "value": "FHSQ-20261120-0012"}],
        "category": [coded(f"{SYSTEM}/service-category", "referral"), coded(f"{SYSTEM}/referral-direction", direction)],
        "authoredOn": "2026-11-20T11:00:00+08:00",
        "requester": DOCTOR,
    }
    return builders.service_request(patient, at, **(elements | changes))


def task(at: str = "submitted", focus: str | None = None, **changes: Any) -> Json:
    elements = {
        "code": coded(f"{SYSTEM}/task-code", "referral", "双向转诊"),
        "businessStatus": coded(f"{SYSTEM}/referral-business-status", at, "已提交·待受理"),
        "for": {"reference": PATIENT},
        "requester": CLINIC,
        "owner": HOSPITAL,
    }
    return builders.task(focus, at, **(elements | changes))


def papers(direction: str = "up", at: str = "submitted", bundle: Json | None = None, **changes: Any) -> Papers:
    sent = bundle if bundle is not None else (back_package() if direction == "down" else up_package())
    named: dict[str, Json] = {
        "Organization/clinic-1": builders.organization(
            name="凤凰社区卫生服务中心", telecom=[{"system": "phone", "value": "0473-0000002"}]
        )
    }
    return Papers(task(at, **changes), order(direction, at), (Document(sent, CHINA),), named)
