"""Patient/$register and Patient/$break-glass, the two ways in: docs/adr/0011"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.builders import known_patient, observation
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]

HOME, CLINIC = "register-home", "register-clinic"


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    strict = Fhir(fhir.peers, fhir.caller, introduces=False)
    return strict.as_(client=HOME, organization=f"{HOME}-{uuid4().hex[:6]}")


@pytest.fixture
def clinic(home: Fhir) -> Fhir:
    return home.as_(client=CLINIC, organization=f"{CLINIC}-{uuid4().hex[:6]}")


def consent(to: Fhir, **changes: Any) -> Json:
    rule = {
        "type": "permit",
        "actor": [{"role": {"text": "IRCP"}, "reference": {"reference": f"Organization/{to.caller.organization}"}}],
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}],
        "period": {"end": (datetime.now(UTC) + timedelta(days=90)).isoformat()},
    }
    return {
        "resourceType": "Consent", "status": "active", "scope": {"text": "隐私"}, "category": [{"text": "单独同意"}],
        "policyRule": {"text": "PIPL"}, "sourceAttachment": {"contentType": "text/plain", "data": "eA=="},
        "provision": {"provision": [rule | changes]},
    }  # fmt: skip


def statement(person: Json, agreed: Json, **more: Any) -> Json:
    told = {"resourceType": "Patient", **{k: person[k] for k in ("identifier", "name", "birthDate")}, **more}
    parameters: list[Json] = [{"name": "patient", "resource": told}, {"name": "consent", "resource": agreed}]
    return {"resourceType": "Parameters", "parameter": parameters}


async def test_registration_opens_the_record_to_who_has_the_facts_and_the_consent(home: Fhir, clinic: Fhir) -> None:
    person = await home.created(known_patient())
    pulse = await home.created(observation(f"Patient/{person['id']}"))
    assert_outcome(await clinic.get(f"/Observation/{pulse['id']}"), 404, "not-found")
    mine = [*person["identifier"], {"system": "urn:clinic:mrn", "value": "c-1"}]
    answer = await clinic.post("/Patient/$register", statement(person, consent(clinic), identifier=mine))
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == person["id"]
    assert {"system": "urn:clinic:mrn", "value": "c-1"} in answer.json()["identifier"]
    assert (await clinic.get(f"/Observation/{pulse['id']}")).status_code == 200
    notices = await home.get(
        f"/Communication?subject=Patient/{person['id']}&sender=Organization/{clinic.caller.organization}"
    )
    (notice,) = (e["resource"] for e in notices.json()["entry"])
    assert notice["recipient"] == [{"reference": f"Organization/{home.caller.organization}"}]


async def test_wrong_facts_answer_like_an_unknown_person(home: Fhir, clinic: Fhir) -> None:
    person = await home.created(known_patient())
    unknown = known_patient()
    wrong = [
        statement(person, consent(clinic), name=[{"text": "张三"}]),
        statement(person, consent(clinic), birthDate="1900-01-01"),
        statement(unknown, consent(clinic)),
    ]
    answers = [await clinic.post("/Patient/$register", each) for each in wrong]
    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers}) == 1
    assert_outcome(await clinic.get(f"/Patient/{person['id']}"), 404, "not-found")


async def test_without_a_consent_that_names_recipient_purpose_and_period_nobody_gets_in(
    home: Fhir, clinic: Fhir
) -> None:
    person = await home.created(known_patient())
    lacking: tuple[Json, ...] = ({"actor": []}, {"purpose": []}, {"period": {}}, {"type": "deny"})
    for changes in lacking:
        agreed = consent(clinic, **changes)
        rule = agreed["provision"]["provision"][0]
        agreed["provision"]["provision"] = [{name: value for name, value in rule.items() if value}]
        assert_outcome(await clinic.post("/Patient/$register", statement(person, agreed)), 400, "value")
    unsigned = {name: value for name, value in consent(clinic).items() if name != "sourceAttachment"}
    assert_outcome(await clinic.post("/Patient/$register", statement(person, unsigned)), 400, "value")
    for_another = statement(person, consent(home))
    assert_outcome(await clinic.post("/Patient/$register", for_another), 400, "value")


async def test_an_unknown_person_is_created_where_that_is_asked_for(clinic: Fhir) -> None:
    stated = statement(known_patient(), consent(clinic))
    stated["parameter"].append({"name": "create", "valueBoolean": True})
    answer = await clinic.post("/Patient/$register", stated)
    assert answer.status_code == 201, answer.text
    assert (await clinic.get(f"/Patient/{answer.json()['id']}")).status_code == 200


async def test_wrong_statements_are_limited(clinic: Fhir, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    now = datetime.now(UTC)
    for n in range(20):
        await connection.execute(
            "INSERT INTO fhir.registration_attempt VALUES ($1, 0, $2, $3)", clinic.caller.organization, now, str(n)
        )
    await connection.close()
    assert_outcome(
        await clinic.post("/Patient/$register", statement(known_patient(), consent(clinic))), 429, "throttled"
    )


async def test_a_create_that_meets_an_identity_out_of_reach_is_sent_the_same_way(home: Fhir, clinic: Fhir) -> None:
    person = await home.created(known_patient())
    again = {"resourceType": "Patient", "identifier": person["identifier"]}
    outcome = assert_outcome(await clinic.post("/Patient", again), 409, "duplicate", "Patient.identifier")
    assert "$register" in outcome["issue"][0]["diagnostics"]
    assert person["id"] not in str(outcome)
    await home.delete(f"/Patient/{person['id']}")
    assert (await clinic.post("/Patient", again)).status_code == 201


async def test_a_withdrawn_consent_ends_it_with_the_next_request(home: Fhir, clinic: Fhir) -> None:
    person = await home.created(known_patient())
    await clinic.post("/Patient/$register", statement(person, consent(clinic)))
    path = f"/Consent?patient=Patient/{person['id']}"
    (agreed,) = (e["resource"] for e in (await clinic.get(path)).json()["entry"])
    withdrawn = await home.put(f"/Consent/{agreed['id']}", agreed | {"status": "inactive"})
    assert withdrawn.status_code == 200, withdrawn.text
    assert_outcome(await clinic.get(f"/Patient/{person['id']}"), 404, "not-found")


async def test_breaking_the_glass_shows_one_record_and_asks_why(home: Fhir, clinic: Fhir, database_url: str) -> None:
    person = await home.created(known_patient())
    very = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]}
    hidden = await home.created(observation(f"Patient/{person['id']}", meta=very))
    asked = {"resourceType": "Parameters", "parameter": [
        {"name": "identifier", "valueString": "|".join(person["identifier"][0].values())},
        {"name": "reason", "valueString": "昏迷送诊，无法取得同意"},
    ]}  # fmt: skip
    assert_outcome(await clinic.post("/Patient/$break-glass", asked), 403, "forbidden")
    urgent = clinic.as_(purpose="BTG")
    assert_outcome(await urgent.get(f"/Observation/{hidden['id']}"), 404, "not-found")
    assert_outcome(
        await urgent.post("/Patient/$break-glass", asked | {"parameter": asked["parameter"][:1]}), 400, "value"
    )
    answer = await urgent.post("/Patient/$break-glass", asked)
    assert answer.status_code == 200, answer.text
    assert (await urgent.get(f"/Observation/{hidden['id']}")).status_code == 200
    assert_outcome(await clinic.get(f"/Observation/{hidden['id']}"), 404, "not-found")
    assert_outcome(await urgent.put(f"/Observation/{hidden['id']}", hidden), 403, "forbidden")
    review = await home.get(f"/Task?patient=Patient/{person['id']}&code=break-glass-review")
    (task,) = (e["resource"] for e in review.json()["entry"])
    assert task["owner"] == {"reference": f"Organization/{home.caller.organization}"}
    assert (await home.get(f"/Communication?subject=Patient/{person['id']}")).json()["entry"]
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE fhir.access_grant SET ends = now() WHERE basis = 'break-glass'")
    await connection.close()
    assert_outcome(await urgent.get(f"/Observation/{hidden['id']}"), 404, "not-found")
