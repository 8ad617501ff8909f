"""The profiles of docs/care-records.md: kept by their examples, told by $validate, held by $ingest."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.terminology.shipped import shipped
from services.kit.identifiers import id_number
from services.records.care_records import UNITS
from tests.builders import UCUM, patient
from tests.care_records import FOLDER, RESIDENTS, Json, care_examples
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.published import published

__all__ = ["published"]

PROFILES = {
    "Procedure": "yiyang-daily-care",
    "Observation": "yiyang-vital-signs",
    "MedicationAdministration": "yiyang-medication-given",
    "AdverseEvent": "yiyang-incident",
    "Composition": "yiyang-handover",
}
PAGE = (FOLDER.parent / "care-records.md").read_text(encoding="utf-8")


@pytest.fixture
async def resident(fhir: Fhir) -> str:
    number = uuid4().hex
    await fhir.created(patient(identifier=[{"system": RESIDENTS, "value": number}]))
    return number


def example(resource_type: str, resident: str) -> Json:
    return next(each for each in care_examples(resident, resident) if each["resourceType"] == resource_type)


async def ingested(fhir: Fhir, *resources: Json) -> list[Json]:
    sent = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    answer = await fhir.post("/Bundle/$ingest", sent)
    assert answer.status_code == 200, answer.text
    return [entry["response"] for entry in answer.json()["entry"]]


async def test_the_examples_are_taken_in_once_and_found_again(fhir: Fhir, resident: str) -> None:
    found = await ingested(fhir, *care_examples(resident, resident))
    assert [each["status"] for each in found] == ["201 Created"] * 5, found
    again = await ingested(fhir, *care_examples(resident, resident))
    assert [each["status"] for each in again] == ["200 OK"] * 5
    assert [each["location"] for each in again] == [each["location"] for each in found]
    (event,) = (await fhir.get(f"/AdverseEvent?identifier={resident}20240501-000124")).json()["entry"]
    assert event["resource"]["subject"]["reference"].startswith("Patient/")


@pytest.mark.parametrize("resource_type", PROFILES)
async def test_an_example_is_stored_alone_and_valid_by_its_profile(
    fhir: Fhir, resident: str, resource_type: str
) -> None:
    resource = example(resource_type, resident)
    profile = f"https://yiyang.example/fhir/StructureDefinition/{PROFILES[resource_type]}"
    told = await fhir.post(f"/{resource_type}/$validate?profile={profile}&mode=create", resource)
    assert [each["code"] for each in told.json()["issue"]] == ["invariant"], told.text  # no narrative, a warning
    assert told.json()["issue"][0]["severity"] == "warning"
    assert (await fhir.post(f"/{resource_type}", resource)).status_code == 201


@pytest.mark.parametrize(
    ("resource_type", "changes", "expression"),
    [
        ("Procedure", {"identifier": None}, "Procedure.identifier"),
        ("Procedure", {"code": {"text": "翻身"}}, "Procedure.code"),
        ("Procedure", {"performer": None}, "Procedure.performer"),
        ("Observation", {"code": {"text": "血压"}}, "Observation.code"),
        ("Observation", {"category": [{"text": "体征"}]}, "Observation"),
        ("Observation", {"valueQuantity": {"value": 1, "unit": "度"}}, "Observation"),
        ("MedicationAdministration", {"dosage": None}, "MedicationAdministration"),
        ("MedicationAdministration", {"status": "not-done"}, "MedicationAdministration"),
        ("AdverseEvent", {"event": {"text": "摔了"}}, "AdverseEvent.event"),
        ("AdverseEvent", {"recorder": None}, "AdverseEvent.recorder"),
        ("Composition", {"type": {"text": "交班"}}, "Composition.type"),
        ("Composition", {"section": None}, "Composition.section"),
    ],
)
async def test_what_breaks_a_profile_is_refused_at_its_element(
    fhir: Fhir, resident: str, resource_type: str, changes: Json, expression: str
) -> None:
    resource = {k: v for k, v in {**example(resource_type, resident), **changes}.items() if v is not None}
    answer = await fhir.post(f"/{resource_type}", resource)
    assert answer.status_code == 422, answer.text
    assert expression in [each["expression"][0] for each in answer.json()["issue"]], answer.text


def later(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("resource_type", "element", "changes"),
    [
        ("Observation", "effective", {"effectiveDateTime": later(hours=1)}),
        ("Observation", "effective", {"effectiveDateTime": "2101"}),
        ("Procedure", "performed", {"performedPeriod": {"start": "2024-05-01", "end": later(days=9)}}),
        ("MedicationAdministration", "effective", {"effectiveDateTime": later(days=400)}),
        ("AdverseEvent", "date", {"date": later(days=2)}),
        ("Composition", "date", {"date": later(days=2)}),
    ],
)
async def test_a_clock_that_is_ahead_is_told_and_the_rest_stored(
    fhir: Fhir, resident: str, resource_type: str, element: str, changes: Json
) -> None:
    wrong = example(resource_type, resident) | changes
    right = [each for each in care_examples(resident, resident) if each["resourceType"] != resource_type]
    found = await ingested(fhir, wrong, *right)
    assert [each["status"][:3] for each in found] == ["422", "201", "201", "201", "201"]
    (issue,) = found[0]["outcome"]["issue"]
    assert issue["expression"] == [f"Bundle.entry[0].resource.{element}"]
    assert "时钟" in issue["details"]["text"]
    assert "clock" in issue["diagnostics"]


async def test_a_clock_a_little_ahead_is_a_clock(fhir: Fhir, resident: str) -> None:
    soon = example("Observation", resident) | {"effectiveDateTime": later(minutes=5)}
    assert [each["status"] for each in await ingested(fhir, soon)] == ["201 Created"]


def measured(resident: str, code: str, quantity: Json) -> Json:
    made = example("Observation", resident) | {"valueQuantity": quantity}
    made["code"] = {"coding": [{"system": "http://loinc.org", "code": code}]}
    made["identifier"][0]["value"] = uuid4().hex
    del made["component"], made["device"], made["meta"]
    return made


async def test_a_unit_that_compares_with_nothing_is_told_and_one_that_does_is_kept(fhir: Fhir, resident: str) -> None:
    def quantity(code: str, **changes: Any) -> Json:
        return {"value": 36.5, "system": UCUM, "code": code} | changes

    found = await ingested(
        fhir,
        measured(resident, "8310-5", quantity("[degF]")),
        measured(resident, "8310-5", quantity("kg")),
        measured(resident, "29463-7", quantity("[lb_av]")),
        measured(resident, "29463-7", quantity("斤")),
        measured(resident, "14771-0", quantity("mg/dL")),
        measured(resident, "14771-0", quantity("mmol/L", system="http://home.example/units")),
    )
    assert [each["status"][:3] for each in found] == ["201", "422", "201", "422", "422", "422"]
    assert found[1]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.value"]
    pressure = deepcopy(example("Observation", resident))
    pressure["component"][1]["valueQuantity"]["code"] = "kg"
    (told,) = await ingested(fhir, pressure)
    assert told["outcome"]["issue"][0]["expression"] == ["Bundle.entry[0].resource.component[1].value"]


async def test_a_wrong_check_digit_of_the_elder_is_told_where_it_stands(fhir: Fhir, resident: str) -> None:
    right = id_number("999000", datetime(1940, 3, 4, tzinfo=UTC).date(), 7)
    wrong = right[:17] + ("0" if right[17] != "0" else "1")
    record = example("Procedure", resident)
    record["subject"] = {"identifier": {"system": "urn:oid:2.16.840.1.113883.2.23.1.19.1", "value": wrong}}
    (told,) = await ingested(fhir, record)
    (issue,) = told["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[0].resource.subject.identifier.value"]
    assert wrong not in str(told)


async def test_validate_tells_what_ingest_refuses(fhir: Fhir, resident: str) -> None:
    late = example("Observation", resident) | {"effectiveDateTime": later(days=1)}
    told = await fhir.post("/Observation/$validate", late)
    assert [each["severity"] for each in told.json()["issue"]] == ["warning", "error"]
    assert told.json()["issue"][1]["expression"] == ["Observation.effective"]
    stored = await fhir.post("/Observation", late, prefer="return=OperationOutcome")
    assert [each["severity"] for each in stored.json()["issue"]] == ["information", "warning"]


@pytest.mark.parametrize("name", PROFILES.values())
async def test_a_profile_is_published_and_the_platforms_alone(fhir: Fhir, published: None, name: str) -> None:
    place = f"/StructureDefinition/{name}"
    found = (await fhir.get(place)).json()
    assert found["url"] == f"https://yiyang.example/fhir/StructureDefinition/{name}"
    assert_outcome(await fhir.put(place, found | {"status": "retired"}), 422, "business-rule")
    own = {key: value for key, value in found.items() if key != "id"} | {"url": f"https://home.example/{name}"}
    assert (await fhir.post("/StructureDefinition", own)).status_code == 201


@pytest.mark.parametrize(("code", "unit"), UNITS.items())
def test_the_page_tells_each_unit(code: str, unit: str) -> None:
    assert f"| {code} | " in PAGE
    assert f"| `{unit}` |" in PAGE


def test_what_has_a_unit_is_a_vital_sign() -> None:
    (include,) = (shipped("ValueSet", "https://yiyang.example/fhir/ValueSet/vital-sign") or {})["compose"]["include"]
    assert {each["code"] for each in include["concept"]} == {*UNITS, "85354-9"}


@pytest.mark.parametrize("name", [*PROFILES.values(), *(path.name for path in FOLDER.glob("*.json"))])
def test_the_page_tells_each_profile_and_example(name: str) -> None:
    assert name in PAGE
