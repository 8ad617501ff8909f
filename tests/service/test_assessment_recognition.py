"""Another institution takes a level while it counts, as far as the elder's consent goes (docs/instruments.md)."""

from typing import Any
from uuid import uuid4

import pytest

from tests.assessments import ability, code
from tests.builders import create, known_patient, transaction
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]
TREATMENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
LEVEL = f"code={code('gbt42195', 'final-level')}&status=final,amended&derived-from:missing=false"


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"home-{uuid4().hex[:6]}")


@pytest.fixture
def clinic(home: Fhir) -> Fhir:
    return home.as_(organization=f"clinic-{uuid4().hex[:6]}")


def consent(elder: str, to: Fhir, *classes: tuple[str, str], **changes: Any) -> Json:
    recipient = {"reference": {"reference": f"Organization/{to.caller.organization}"}, "role": {"text": "接收方"}}
    permits = {
        "type": "permit",
        "actor": [recipient],
        "purpose": [TREATMENT],
        "period": {"end": "2099-12-31T00:00:00+08:00"},
    }
    permits |= {"class": [{"system": system, "code": each} for system, each in classes]} if classes else {}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"text": "隐私"},
        "category": [{"text": "单独同意"}],
        "patient": {"reference": elder},
        "policyRule": {"text": "个人信息保护法"},
        "sourceAttachment": {"title": "同意书"},
        "provision": {"provision": [permits]},
        **changes,
    }


DATA_CLASS = "https://yiyang.example/fhir/CodeSystem/data-class"
RESOURCE_TYPE = "http://hl7.org/fhir/resource-types"


async def levels(fhir: Fhir, elder: str, yesterday: str = "2024-06-01") -> list[str]:
    bundle = (await fhir.get(f"/Observation?patient={elder}&{LEVEL}&date=gt{yesterday}")).json()
    return [entry["resource"]["valueCodeableConcept"]["coding"][0]["code"] for entry in bundle.get("entry", ())]


async def test_a_consent_for_levels_shows_the_level_and_not_the_answers(home: Fhir, clinic: Fhir) -> None:
    elder = f"Patient/{(await home.created(known_patient()))['id']}"
    response = await home.created(ability(elder))
    assert await levels(clinic, elder) == []
    agreed = await home.created(consent(elder, clinic, (RESOURCE_TYPE, "Observation")))
    assert await levels(clinic, elder) == ["0"]
    assert await levels(clinic, elder, "2025-04-30") == []
    assert_outcome(await clinic.get(f"/QuestionnaireResponse/{response['id']}"), 404, "not-found")
    assert (await home.put(f"/Consent/{agreed['id']}", agreed | {"status": "inactive"})).status_code == 200
    assert await levels(clinic, elder) == []


async def test_a_consent_for_assessments_shows_the_answers_too(home: Fhir, clinic: Fhir) -> None:
    elder = f"Patient/{(await home.created(known_patient()))['id']}"
    response = await home.created(ability(elder))
    await home.created(consent(elder, clinic, (DATA_CLASS, "assessments"), (DATA_CLASS, "observations")))
    assert await levels(clinic, elder) == ["0"]
    assert (await clinic.get(f"/QuestionnaireResponse/{response['id']}")).status_code == 200
    assert (await clinic.get(f"/QuestionnaireResponse/{response['id']}/$score")).status_code == 200


async def test_a_level_that_is_not_signed_is_not_recognised(home: Fhir, clinic: Fhir) -> None:
    elder = f"Patient/{(await home.created(known_patient()))['id']}"
    await home.created(ability(elder, signed=()))
    await home.created(consent(elder, clinic, (RESOURCE_TYPE, "Observation")))
    assert await levels(clinic, elder) == []


async def test_two_responses_of_one_commit_end_one_wait(home: Fhir) -> None:
    elder = f"Patient/{(await home.created(known_patient()))['id']}"
    first = await home.created(ability(elder))
    both = transaction(*(create(ability(elder, authored=day)) for day in ("2024-06-01", "2024-07-01")))
    answer = await home.post("/", both)
    assert answer.status_code == 200, answer.text
    (done,) = (await home.get(f"/Task?identifier={first['id']}")).json()["entry"]
    assert done["resource"]["status"] == "completed"
