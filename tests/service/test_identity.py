"""One Patient per person, its identifiers checked at the door: docs/adr/0032"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.fhir.naming import TEMPORARY
from services.kit.identifiers import id_number
from tests.builders import (
    ID_NUMBER,
    UNASSIGNED,
    batch,
    create,
    institution_code,
    known_patient,
    observation,
    organization,
    patient,
    transaction,
    urn,
)
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]

USCC = "https://yiyang.example/fhir/sid/uscc"


def with_number(value: str, **changes: Any) -> Json:
    return patient(identifier=[{"system": ID_NUMBER, "value": value}], **changes)


def wrong(number: str) -> str:
    return number[:-1] + ("0" if number[-1] != "0" else "1")


# ---- checked at the door ----------------------------------------------------------------------------------------------------


async def test_a_wrong_check_character_is_refused_at_its_element_in_both_languages(fhir: Fhir) -> None:
    number = known_patient()["identifier"][0]["value"]
    outcome = assert_outcome(
        await fhir.post("/Patient", with_number(wrong(number))), 422, "value", "Patient.identifier[0].value"
    )
    assert "check character" in outcome["issue"][0]["diagnostics"]
    assert "校验码错误" in outcome["issue"][0]["details"]["text"]
    assert wrong(number) not in str(outcome)


async def test_it_is_refused_under_any_alias_and_in_every_way_of_writing(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    number = elder["identifier"][0]["value"]
    for system in ("sfzh", "urn:oid:2.16.840.1.113883.2.23.1.19.1"):
        answer = await fhir.post("/Patient", patient(identifier=[{"system": system, "value": wrong(number)}]))
        assert_outcome(answer, 422, "value", "Patient.identifier[0].value")
    bad = elder | {"identifier": [{"system": ID_NUMBER, "value": wrong(number)}]}
    assert_outcome(await fhir.put(f"/Patient/{elder['id']}", bad), 422, "value")
    inside = await fhir.post("/", transaction(create(with_number(wrong(number)))))
    assert_outcome(inside, 422, "value", "Bundle.entry[0].resource.identifier[0].value")


async def test_a_number_that_was_recorded_wrongly_may_be_kept_as_an_old_one(fhir: Fhir) -> None:
    elder = known_patient()
    elder["identifier"].append({"use": "old", "system": ID_NUMBER, "value": wrong(elder["identifier"][0]["value"])})
    assert (await fhir.post("/Patient", elder)).status_code == 201


async def test_a_credit_code_of_an_institution_is_checked_and_its_oid_may_hold_an_organisation_code(fhir: Fhir) -> None:
    code = institution_code(11)
    assert (
        await fhir.post("/Organization", organization(identifier=[{"system": USCC, "value": code}]))
    ).status_code == 201
    answer = await fhir.post("/Organization", organization(identifier=[{"system": USCC, "value": wrong(code)}]))
    assert_outcome(answer, 422, "value", "Organization.identifier[0].value")
    older = {"system": "urn:oid:2.16.156.10011.1.5", "value": "D2143569-X"}
    assert (await fhir.post("/Organization", organization(identifier=[older]))).status_code == 201


async def test_a_birth_date_in_the_future_is_refused(fhir: Fhir) -> None:
    far = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()
    assert_outcome(await fhir.post("/Patient", patient(birthDate=far)), 422, "business-rule", "Patient.birthDate")


async def test_what_sex_and_birth_date_contradict_is_stored_and_told(fhir: Fhir) -> None:
    elder = with_number(id_number(UNASSIGNED, date(1941, 2, 3), 221), gender="female", birthDate="1941-03-02")
    told = await fhir.post("/Patient", elder, prefer="return=OperationOutcome")
    assert told.status_code == 201
    warnings = [(i["severity"], i["expression"][0]) for i in told.json()["issue"] if i["severity"] == "warning"]
    assert warnings == [("warning", "Patient.birthDate"), ("warning", "Patient.gender")]
    found = await fhir.post("/Patient/$validate", elder)
    told_too = {i["expression"][0] for i in found.json()["issue"] if i["severity"] == "warning"}
    assert {"Patient.birthDate", "Patient.gender"} <= told_too


async def test_validate_tells_a_wrong_number_an_unknown_system_and_a_spelling(fhir: Fhir) -> None:
    number = id_number(UNASSIGNED, date(1941, 2, 3), 225)
    checked = await fhir.post("/Patient/$validate", with_number(wrong(number)))
    assert_outcome(checked, 200, "value", "Patient.identifier[0].value")
    unknown = patient(identifier=[{"system": "urn:oid:2.16.156.10011.1.9999", "value": "1"}])
    assert_outcome(await fhir.post("/Patient/$validate", unknown), 200, "not-found", "Patient.identifier[0].system")
    legacy = with_number("999000410203225")
    assert_outcome(await fhir.post("/Patient/$validate", legacy), 200, "informational", "Patient.identifier[0].value")


# ---- one Patient per person ---------------------------------------------------------------------------------------------------


async def test_creating_a_person_again_answers_the_one_who_is_there(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    again = known_patient(identifier=elder["identifier"], birthDate=elder["birthDate"], name=[{"text": "王　秀英"}])
    again["identifier"] = [{"system": "sfzh", "value": elder["identifier"][0]["value"].lower()}]
    answer = await fhir.post("/Patient", again)
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == elder["id"]
    assert answer.headers["location"].endswith(f"/Patient/{elder['id']}/_history/1")


async def test_another_name_or_birth_date_under_the_same_number_is_a_conflict(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    for changes in ({"name": [{"text": "赵玉兰"}]}, {"birthDate": "1929-01-01"}):
        again = (
            known_patient(identifier=elder["identifier"], name=elder["name"], birthDate=elder["birthDate"]) | changes
        )
        outcome = assert_outcome(await fhir.post("/Patient", again), 409, "duplicate", "Patient.identifier")
        assert elder["id"] in outcome["issue"][0]["diagnostics"]


async def test_in_a_transaction_references_lead_to_the_one_who_is_there(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    there = urn()
    again = patient(identifier=elder["identifier"])
    answer = await fhir.post("/", transaction(create(again, there), create(observation(there))))
    assert answer.status_code == 200, answer.text
    first, second = (e["response"] for e in answer.json()["entry"])
    assert first["status"].startswith("200")
    assert first["location"].startswith(f"Patient/{elder['id']}/")
    stored = await fhir.get("/" + second["location"].partition("/_history")[0])
    assert stored.json()["subject"]["reference"] == f"Patient/{elder['id']}"


async def test_in_a_batch_too(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    answer = await fhir.post("/", batch(create(patient(identifier=elder["identifier"]))))
    assert answer.json()["entry"][0]["response"]["status"].startswith("200")


async def test_out_of_reach_nothing_is_told_but_the_way_in(fhir: Fhir) -> None:
    elder = await fhir.created(known_patient())
    other = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"other-{uuid4().hex[:6]}")
    for answer in (
        await other.post("/Patient", patient(identifier=elder["identifier"])),
        await other.post("/", transaction(create(patient(identifier=elder["identifier"])))),
    ):
        outcome = assert_outcome(answer, 409, "duplicate")
        assert "$register" in outcome["issue"][0]["diagnostics"]
        assert elder["id"] not in answer.text


# ---- elders without papers ------------------------------------------------------------------------------------------------------


async def test_an_elder_without_papers_gets_a_number(fhir: Fhir) -> None:
    first = await fhir.created(patient(identifier=[{"system": TEMPORARY}], name=[{"text": "无名氏"}]))
    second = await fhir.created(patient(identifier=[{"system": TEMPORARY}], name=[{"text": "无名氏"}]))
    numbers = [each["identifier"][0]["value"] for each in (first, second)]
    assert numbers[0] != numbers[1]
    assert all(number.startswith("T20") for number in numbers)
    assert (await fhir.put(f"/Patient/{first['id']}", first)).json()["identifier"] == first["identifier"]
