"""Patient/$summary: what is known of an elder on one page, for who may know it: http://hl7.org/fhir/uv/ips/OperationDefinition/summary"""

import io
from typing import Any, Final
from uuid import uuid4

import pypdf
import pytest

from tests.builders import (
    batch,
    care_plan,
    coded,
    condition,
    create,
    document,
    entry,
    episode_of_care,
    known_patient,
    observation,
    organization,
)
from tests.house import BASE, Fhir, Json
from tests.matchers import assert_outcome

OWN: Final = "https://yiyang.example/fhir/CodeSystem"
HL7: Final = "http://terminology.hl7.org/CodeSystem"


class Elder:
    """One elder, known to one institution; `tell` records something of her."""

    def __init__(self, fhir: Fhir, patient: Json) -> None:
        self.fhir = fhir
        self.patient = patient
        self.name = f"Patient/{patient['id']}"

    @classmethod
    async def met(cls, fhir: Fhir, **changes: Any) -> "Elder":
        own = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"home-{uuid4().hex[:8]}")
        return cls(own, await own.created(known_patient(**changes)))

    async def tell(self, resource: Json) -> str:
        made = await self.fhir.created(resource)
        return f"{made['resourceType']}/{made['id']}"

    async def summary(self, reader: Fhir | None = None) -> Json:
        answer = await (reader or self.fhir).get(f"/{self.name}/$summary")
        assert answer.status_code == 200, answer.text
        bundle: Json = answer.json()
        return bundle

    def of(self, resource_type: str, **elements: Any) -> Json:
        key = (
            "patient"
            if resource_type in ("AllergyIntolerance", "Immunization", "Consent", "EpisodeOfCare")
            else "subject"
        )
        return {"resourceType": resource_type, key: {"reference": self.name}, **elements}


@pytest.fixture
async def elder(fhir: Fhir) -> Elder:
    return await Elder.met(fhir)


def section(bundle: Json, code: str) -> Json:
    return next(s for s in bundle["entry"][0]["resource"]["section"] if s["code"]["coding"][0]["code"] == code)


def told(bundle: Json, code: str) -> list[str]:
    return [each["reference"].removeprefix(f"{BASE}/") for each in section(bundle, code).get("entry", ())]


def codes(bundle: Json) -> list[str]:
    return [each["code"]["coding"][0]["code"] for each in bundle["entry"][0]["resource"]["section"]]


def clinical(code: str) -> Json:
    return coded(f"{HL7}/condition-clinical", code)


def allergic(elder: Elder, **elements: Any) -> Json:
    status = coded(f"{HL7}/allergyintolerance-clinical", "active")
    return elder.of("AllergyIntolerance", code={"text": "青霉素"}, clinicalStatus=status, **elements)


def vital(elder: Elder, code: str, value: float, when: str, **changes: Any) -> Json:
    category = [coded(f"{HL7}/observation-category", "vital-signs")]
    made = {"category": category, "effectiveDateTime": when, "valueQuantity": {"value": value, "unit": "次/分"}}
    return observation(elder.name, code=coded("http://loinc.org", code, "心率"), **made, **changes)


def survey(elder: Elder, system: str, code: str, when: str, text: str) -> Json:
    category = [coded(f"{HL7}/observation-category", "survey")]
    value = {"valueQuantity": None, "valueCodeableConcept": {"text": text}}
    return observation(
        elder.name, code=coded(f"{OWN}/{system}", code), category=category, effectiveDateTime=when, **value
    )


async def test_it_is_a_document_that_our_own_validator_accepts(elder: Elder) -> None:
    await elder.tell(condition(elder.name, code={"text": "高血压"}))
    await elder.tell(vital(elder, "8867-4", 72, "2026-10-01T08:00:00+08:00"))
    bundle = await elder.summary()
    assert bundle["type"] == "document"
    assert bundle["meta"]["profile"] == ["http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"]
    outcome = await elder.fhir.post("/Bundle/$validate", bundle)
    problems = [i for i in outcome.json()["issue"] if i["severity"] in ("error", "fatal")]
    assert (outcome.status_code, problems) == (200, []), outcome.text
    note = bundle["entry"][0]["resource"]
    assert note["type"]["coding"][0]["code"] == "60591-5"
    assert note["subject"]["reference"] == f"{BASE}/{elder.name}"


async def test_all_that_it_names_is_in_it_once(elder: Elder) -> None:
    await elder.tell(condition(elder.name))
    bundle = await elder.summary()
    urls = [each["fullUrl"] for each in bundle["entry"]]
    assert len(urls) == len({*urls})
    note = bundle["entry"][0]["resource"]
    named = [e["reference"] for s in note["section"] for e in s.get("entry", ())]
    assert {note["subject"]["reference"], note["author"][0]["reference"], *named} <= {*urls}
    assert named


async def test_of_whom_nothing_is_known_each_expected_section_says_so(elder: Elder) -> None:
    bundle = await elder.summary()
    for code in ("48765-2", "11450-4", "10160-0", "care-level", "falls", "tubes", "8716-3", "18776-5", "42348-3"):
        found = section(bundle, code)
        assert found["emptyReason"]["coding"][0]["code"] == "unavailable", code
        assert "暂无资料" in found["text"]["div"]
        assert "entry" not in found
    assert not {"104605-1", "11348-0", "29762-2", "46264-8"} & {*codes(bundle)}


async def test_problems_are_what_is_not_over(elder: Elder) -> None:
    active = await elder.tell(condition(elder.name, code={"text": "高血压"}, clinicalStatus=clinical("active")))
    unsaid = await elder.tell(condition(elder.name, code={"text": "糖尿病"}))
    over = await elder.tell(condition(elder.name, code={"text": "肺炎"}, clinicalStatus=clinical("resolved")))
    wrong = coded(f"{HL7}/condition-ver-status", "entered-in-error")
    await elder.tell(condition(elder.name, code={"text": "误录"}, verificationStatus=wrong))
    bundle = await elder.summary()
    assert {*told(bundle, "11450-4")} == {active, unsaid}
    assert told(bundle, "11348-0") == [over]
    assert "高血压" in section(bundle, "11450-4")["text"]["div"]
    assert "误录" not in str(bundle)


async def test_allergies_medication_and_vaccinations_in_use(elder: Elder) -> None:
    allergy = await elder.tell(allergic(elder, criticality="high"))
    drug = await elder.fhir.created({"resourceType": "Medication", "code": {"text": "氨氯地平"}})
    used = {"status": "active", "medicationReference": {"reference": f"Medication/{drug['id']}"}}
    statement = await elder.tell(elder.of("MedicationStatement", **used))
    ordered = {"status": "active", "intent": "order", "medicationCodeableConcept": {"text": "二甲双胍"}}
    order = await elder.tell(elder.of("MedicationRequest", **ordered))
    await elder.tell(elder.of("MedicationStatement", **used | {"status": "stopped"}))
    shot = {"status": "completed", "vaccineCode": {"text": "流感疫苗"}, "occurrenceDateTime": "2026-09-01"}
    vaccination = await elder.tell(elder.of("Immunization", **shot))
    bundle = await elder.summary()
    assert told(bundle, "48765-2") == [allergy]
    assert told(bundle, "10160-0") == [statement, order]
    assert "氨氯地平" in section(bundle, "10160-0")["text"]["div"]
    assert f"{BASE}/Medication/{drug['id']}" in [each["fullUrl"] for each in bundle["entry"]]
    assert told(bundle, "11369-6") == [vaccination]


async def test_of_each_vital_sign_the_newest(elder: Elder) -> None:
    await elder.tell(vital(elder, "8867-4", 70, "2026-10-01T08:00:00+08:00"))
    newest = await elder.tell(vital(elder, "8867-4", 90, "2026-10-03T08:00:00+08:00"))
    await elder.tell(vital(elder, "8867-4", 80, "2026-10-02T08:00:00+08:00"))
    await elder.tell(vital(elder, "8867-4", 99, "2026-10-04T08:00:00+08:00", status="entered-in-error"))
    weight = await elder.tell(vital(elder, "29463-7", 55, "2026-01-01T08:00:00+08:00"))
    assert told(await elder.summary(), "8716-3") == [newest, weight]


async def test_what_is_measured_often_hides_nothing_that_is_measured_seldom(elder: Elder) -> None:
    pressure = await elder.tell(vital(elder, "85354-9", 130, "2026-09-01T08:00:00+08:00"))
    weight = await elder.tell(vital(elder, "29463-7", 55, "2026-01-01T08:00:00+08:00"))
    level = await elder.tell(survey(elder, "gbt42195", "final-level", "2026-01-01", "中度失能"))
    fall = await elder.tell(survey(elder, "morse-total", "level", "2026-01-01", "高风险"))
    risk = elder.of("RiskAssessment", status="final", code={"text": "压疮"}, occurrenceDateTime="2026-01-01")
    sore = await elder.tell(risk)
    often = [
        *(vital(elder, "8867-4", 70, f"2026-10-01T08:{n % 60:02}:{n // 60:02}+08:00") for n in range(150)),
        *(survey(elder, "barthel", "level", f"2026-10-02T09:{n % 60:02}:{n // 60:02}+08:00", "是") for n in range(150)),
        *(risk | {"code": {"text": "误吸"}, "occurrenceDateTime": "2026-10-01"} for _ in range(30)),
    ]
    assert (await elder.fhir.post("/", batch(*map(create, often)))).status_code == 200
    bundle = await elder.summary()
    assert told(bundle, "8716-3")[1:] == [pressure, weight]
    assert told(bundle, "care-level") == [level]
    assert fall in told(bundle, "falls")
    assert sore in told(bundle, "falls")
    assert len(told(bundle, "47420-5")) == 1


async def test_the_level_is_told_apart_from_other_scores(elder: Elder) -> None:
    await elder.tell(survey(elder, "gbt42195", "final-level", "2025-10-01", "轻度失能"))
    level = await elder.tell(survey(elder, "gbt42195", "final-level", "2026-10-01", "中度失能"))
    barthel = await elder.tell(survey(elder, "barthel", "level", "2026-10-01", "中度依赖"))
    fall = await elder.tell(survey(elder, "morse-total", "level", "2026-10-01", "高风险"))
    await elder.tell(survey(elder, "tcm33", "qi-deficiency-verdict", "2026-10-01", "是"))
    mode = [coded(f"{OWN}/service-mode", "residential", "全托")]
    stay = await elder.tell(episode_of_care(elder.name, type=mode))
    bundle = await elder.summary()
    assert told(bundle, "care-level") == [level, stay]
    assert told(bundle, "47420-5") == [barthel]
    assert told(bundle, "falls") == [fall]
    assert "中度失能" in section(bundle, "care-level")["text"]["div"]
    assert "全托" in section(bundle, "care-level")["text"]["div"]


async def test_falls_and_other_events_of_risk(elder: Elder) -> None:
    fell = {"actuality": "actual", "event": coded(f"{OWN}/care-risk-event", "fall", "跌倒"), "date": "2026-11-01"}
    fall = await elder.tell(elder.of("AdverseEvent", **fell))
    await elder.tell(elder.of("AdverseEvent", **fell | {"actuality": "potential"}))
    bundle = await elder.summary()
    assert told(bundle, "falls") == [fall]
    assert "跌倒：2026年11月1日" in section(bundle, "falls")["text"]["div"]


async def test_tubes_are_told_apart_from_devices(elder: Elder) -> None:
    tube = {"type": coded(f"{OWN}/tube", "nasogastric", "胃管"), "patient": {"reference": elder.name}}
    bare = await elder.tell({"resourceType": "Device", **tube})
    in_use = await elder.fhir.created({"resourceType": "Device", **tube})
    aid = await elder.fhir.created({"resourceType": "Device", "type": {"text": "助听器"}})
    uses = [
        await elder.tell(elder.of("DeviceUseStatement", status=status, device={"reference": f"Device/{device['id']}"}))
        for device, status in ((in_use, "active"), (aid, "active"), (in_use, "completed"))
    ]
    bundle = await elder.summary()
    assert told(bundle, "tubes") == [bare, uses[0]]
    assert told(bundle, "46264-8") == [uses[1]]
    assert "胃管" in section(bundle, "tubes")["text"]["div"]
    assert "助听器" in section(bundle, "46264-8")["text"]["div"]


async def test_plan_directives_hospice_and_alerts(elder: Elder) -> None:
    plan = await elder.tell(care_plan(elder.name, title="防跌倒照护计划"))
    wish = {"status": "active", "scope": coded(f"{HL7}/consentscope", "adr"), "dateTime": "2026-05-01"}
    kind = [coded(f"{HL7}/consentcategorycodes", "dnr", "不施行心肺复苏")]
    source = {"sourceReference": {"display": "预立医疗意愿书"}, "policyRule": {"text": "预立医疗意愿"}}
    directive = await elder.tell(elder.of("Consent", category=kind, **wish, **source))
    mode = [coded(f"{OWN}/service-mode", "hospice", "安宁疗护")]
    hospice = await elder.tell(episode_of_care(elder.name, type=mode))
    alert = await elder.tell(elder.of("Flag", status="active", code={"text": "吞咽困难"}))
    await elder.tell(elder.of("Flag", status="inactive", code={"text": "隔离"}))
    bundle = await elder.summary()
    assert told(bundle, "18776-5") == [plan]
    assert told(bundle, "42348-3") == [directive, hospice]
    assert told(bundle, "104605-1") == [alert]
    assert "不施行心肺复苏" in section(bundle, "42348-3")["text"]["div"]
    assert codes(bundle)[0] == "104605-1"


async def test_results_and_operations_without_the_daily_care(elder: Elder) -> None:
    lab = [coded(f"{HL7}/observation-category", "laboratory")]
    glucose = observation(elder.name, category=lab, effectiveDateTime="2026-10-01")
    result = await elder.tell(glucose)
    report = await elder.tell(
        elder.of("DiagnosticReport", status="final", code={"text": "胸部X线"}, conclusion="未见异常")
    )
    surgery = await elder.tell(elder.of("Procedure", status="completed", code={"text": "髋关节置换"}))
    bath = coded(f"{OWN}/care-item", "bathing", "协助洗浴")
    await elder.tell(elder.of("Procedure", status="completed", code=bath))
    bundle = await elder.summary()
    assert told(bundle, "30954-2") == [result, report]
    assert told(bundle, "47519-4") == [surgery]


async def test_it_stays_the_same_as_long_as_nothing_changes(elder: Elder) -> None:
    for n in range(4):
        await elder.tell(condition(elder.name, code={"text": f"疾病{n}"}))
    one, other = [(await elder.summary())["entry"] for _ in range(2)]
    assert [e["resource"] for e in one[2:]] == [e["resource"] for e in other[2:]]
    assert one[0]["resource"]["section"] == other[0]["resource"]["section"]


async def test_a_number_keeps_its_digits(elder: Elder) -> None:
    body = vital(elder, "8867-4", 0, "2026-10-01")
    raw = str(body).replace("'", '"').replace('"value": 0', '"value": 72.00')
    assert (await elder.fhir.post("/Observation", raw.encode())).status_code == 201
    answer = await elder.fhir.get(f"/{elder.name}/$summary")
    assert '"value": 72.00' in answer.text
    assert "72.00 次/分" in answer.text


async def test_what_the_reader_may_not_see_is_not_in_it(elder: Elder) -> None:
    """A hospital that the elder let see her record, but for what is very restricted."""
    restricted = {"security": [{"system": f"{HL7}/v3-Confidentiality", "code": "V"}]}
    hidden = await elder.tell(condition(elder.name, code={"text": "不便告人"}, meta=restricted))
    open_ = await elder.tell(condition(elder.name, code={"text": "高血压"}))
    hospital = f"hospital-{uuid4().hex[:8]}"
    await elder.tell(episode_of_care(elder.name, managingOrganization={"reference": f"Organization/{hospital}"}))
    reader = elder.fhir.as_(organization=hospital, client=hospital)
    bundle = await elder.summary(reader)
    assert told(bundle, "11450-4") == [open_]
    assert hidden not in str(bundle)
    assert "不便告人" not in str(bundle)
    assert "可能不完整" in bundle["entry"][0]["resource"]["text"]["div"]
    own = await elder.summary()
    assert {*told(own, "11450-4")} == {open_, hidden}
    assert own["entry"][0]["resource"]["confidentiality"] == "V"
    assert own["meta"]["security"][0]["code"] == "V"


async def test_what_the_scopes_do_not_reach_is_withheld(elder: Elder) -> None:
    await elder.tell(allergic(elder))
    narrow = elder.fhir.as_(scopes=("system/Patient.rs", "system/Condition.rs"))
    bundle = await elder.summary(narrow)
    assert section(bundle, "48765-2")["emptyReason"]["coding"][0]["code"] == "withheld"
    assert section(bundle, "11450-4")["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert "青霉素" not in str(bundle)


async def test_nobody_else_learns_that_there_is_an_elder(elder: Elder) -> None:
    stranger = elder.fhir.as_(organization="summary-stranger")
    assert_outcome(await stranger.get(f"/{elder.name}/$summary"), 404, "not-found")
    assert_outcome(await stranger.get("/Patient/nobody-here/$summary"), 404, "not-found")


async def test_a_patient_who_was_deleted_is_gone(elder: Elder) -> None:
    await elder.fhir.delete(f"/{elder.name}")
    assert_outcome(await elder.fhir.get(f"/{elder.name}/$summary"), 410, "deleted")


async def test_what_was_recorded_of_her_under_another_record_is_told_too(elder: Elder) -> None:
    other = await elder.fhir.created({"resourceType": "Patient"})
    told_there = await elder.tell(condition(f"Patient/{other['id']}", code={"text": "冠心病"}))
    link = [{"type": "replaces", "other": {"reference": f"Patient/{other['id']}"}}]
    await elder.fhir.put(f"/{elder.name}", elder.patient | {"link": link})
    assert told(await elder.summary(), "11450-4") == [told_there]


async def test_it_is_a_page_for_who_wants_one(elder: Elder) -> None:
    home = await elder.fhir.created(organization(name="安康养老院"))
    place = {"managingOrganization": {"reference": f"Organization/{home['id']}"}}
    await elder.fhir.put(f"/{elder.name}", elder.patient | place)
    await elder.tell(condition(elder.name, code={"text": "高血压"}))
    shown = await elder.fhir.get(f"/{elder.name}/$summary", accept="text/html")
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    for text in ("患者摘要", "王秀英", "高血压", "安康养老院", "可能不完整", "暂无资料"):
        assert text in shown.text, text
    printed = await elder.fhir.get(f"/{elder.name}/$summary", accept="application/pdf")
    assert printed.content.startswith(b"%PDF-")
    words = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(printed.content)).pages)
    assert "王秀英" in words
    assert (await elder.fhir.get(f"/{elder.name}/$summary?_format=pdf")).content.startswith(b"%PDF-")
    assert (await elder.fhir.get(f"/{elder.name}/$summary?_format=json")).json()["type"] == "document"
    assert_outcome(await elder.fhir.get(f"/{elder.name}/$summary", accept="image/png"), 406, "not-supported")


async def test_it_is_invoked_by_post_and_in_a_batch_too(elder: Elder) -> None:
    asked = {"resourceType": "Parameters"}
    assert (await elder.fhir.post(f"/{elder.name}/$summary", asked)).json()["type"] == "document"
    answer = await elder.fhir.post("/", batch(entry("GET", f"{elder.name}/$summary")))
    assert answer.json()["entry"][0]["resource"]["type"] == "document"


async def test_what_it_does_not_know_is_refused(elder: Elder) -> None:
    path = f"/{elder.name}/$summary"
    profile = "http%3A%2F%2Fhl7.org%2Ffhir%2Fuv%2Fips%2FStructureDefinition%2FBundle-uv-ips"
    assert (await elder.fhir.get(f"{path}?profile={profile}")).status_code == 200
    assert_outcome(await elder.fhir.get(f"{path}?profile=urn:other"), 400, "value")
    assert_outcome(await elder.fhir.get(f"{path}?colour=red"), 400, "not-supported")


async def test_it_can_be_stored_as_a_document(elder: Elder) -> None:
    bundle = await elder.summary()
    assert bundle["type"] == document()["type"]
    assert (await elder.fhir.post("/Bundle", bundle)).status_code == 201
