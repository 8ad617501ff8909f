"""An emergency opens one record for four hours at once, and tells the patient's institutions so: docs/adr/0020"""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.fhir.elements import concept
from services.referral.codes import TASK_CODE
from tests.builders import condition, create, encounter, patient, transaction
from tests.house import Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    named = f"emergency-home-{uuid4().hex[:6]}"
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=named)


@pytest.fixture
def station(home: Fhir) -> Fhir:
    return home.as_(organization=f"emergency-station-{uuid4().hex[:6]}")


def institution(fhir: Fhir) -> Json:
    return {"reference": f"Organization/{fhir.caller.organization}"}


def call(who: str, to: Fhir, **elements: Any) -> Json:
    """紧急呼叫: whom it is sent to is to come at once."""
    return {
        "resourceType": "Task", "status": "requested", "intent": "order", "priority": "stat",
        "code": concept(TASK_CODE, "sos"), "for": {"reference": who}, "owner": institution(to), **elements,
    }  # fmt: skip


async def listed(fhir: Fhir, path: str) -> list[Json]:
    answer = await fhir.get(path)
    assert answer.status_code == 200, answer.text
    return [each["resource"] for each in answer.json().get("entry", ())]


async def test_a_call_for_help_tells_every_home_institution_and_asks_for_a_review(home: Fhir, station: Fhir) -> None:
    who = f"Patient/{(await home.created(patient()))['id']}"
    hospital = home.as_(organization=f"emergency-hospital-{uuid4().hex[:6]}")
    await home.created(encounter(who, serviceProvider=institution(hospital)))
    sos = await home.created(call(who, station))
    (told,) = await listed(home, f"/Communication?subject={who}")
    assert {r["reference"] for r in told["recipient"]} == {institution(each)["reference"] for each in (home, hospital)}
    assert told["about"] == [{"reference": f"Task/{sos['id']}"}]
    (review,) = await listed(home, f"/Task?patient={who}&code=emergency-review")
    assert review["owner"] == institution(home)
    assert review["focus"] == {"reference": f"Task/{sos['id']}"}
    assert review["requester"] == institution(station)


async def test_it_is_told_once(home: Fhir, station: Fhir) -> None:
    who = f"Patient/{(await home.created(patient()))['id']}"
    sos = await home.created(call(who, station))
    answer = await home.put(f"/Task/{sos['id']}", sos | {"status": "received"})
    assert answer.status_code == 200, answer.text
    assert len(await listed(home, f"/Communication?subject={who}")) == 1
    elsewhere = await home.put(
        f"/Task/{sos['id']}", answer.json() | {"owner": institution(home.as_(organization="other"))}
    )
    assert elsewhere.status_code == 200, elsewhere.text
    assert len(await listed(home, f"/Communication?subject={who}")) == 2


async def test_a_patient_who_comes_with_the_call_is_told_of_too(home: Fhir, station: Fhir) -> None:
    person = f"urn:uuid:{uuid4()}"
    entries = (create(patient(), person), create(call(person, station)))
    answer = await home.post("/", transaction(*entries))
    assert answer.status_code == 200, answer.text
    who = "/".join(answer.json()["entry"][0]["response"]["location"].split("/")[-4:-2])
    (told,) = await listed(home, f"/Communication?subject={who}")
    assert told["recipient"] == [institution(home)]


async def test_it_shows_one_record_for_its_purpose_and_every_look_is_flagged(
    home: Fhir, station: Fhir, database_url: str
) -> None:
    who, other = [f"Patient/{(await home.created(patient()))['id']}" for _ in range(2)]
    fall, stranger = [await home.created(condition(each)) for each in (who, other)]
    await home.created(call(who, station))
    urgent = station.as_(purpose="ETREAT")
    assert_outcome(await station.get(f"/Condition/{fall['id']}"), 404, "not-found")
    assert (await urgent.get(f"/Condition/{fall['id']}")).status_code == 200
    assert_outcome(await urgent.get(f"/Condition/{stranger['id']}"), 404, "not-found")
    (seen,) = await listed(home, f"/AuditEvent?patient={who}&entity=Condition/{fall['id']}&subtype=read&outcome=0")
    assert seen["purposeOfEvent"][0]["coding"][0]["code"] == "ETREAT"
    connection = await asyncpg.connect(database_url)
    sql = "SELECT ends - begins FROM fhir.access_grant WHERE patient = $1 AND basis = 'emergency'"
    (hours,) = [record[0] for record in await connection.fetch(sql, who.partition("/")[2])]
    assert hours.total_seconds() == 4 * 3600
    await connection.execute("UPDATE fhir.access_grant SET ends = now() WHERE basis = 'emergency'")
    await connection.close()
    assert_outcome(await urgent.get(f"/Condition/{fall['id']}"), 404, "not-found")


async def test_who_has_no_basis_opens_nothing_and_tells_nobody(home: Fhir, station: Fhir) -> None:
    who = f"Patient/{(await home.created(patient()))['id']}"
    assert_outcome(await station.post("/Task", call(who, station)), 422, "not-found", "Task.for")
    assert await listed(home, f"/Communication?subject={who}") == []
