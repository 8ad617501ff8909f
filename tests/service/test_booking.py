"""Number sources are found, kept and booked, each place once: https://profiles.ihe.net/ITI/Scheduling/, docs/adr/0052"""

import asyncio
from typing import Any

import pytest

from services.fhir.elements import concept
from services.referral.codes import CONTRACT_TERM, OUTPUT
from services.referral.states import state_of
from tests.desks import Desk, again, of, slots
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene, given, parameters, reference

Json = dict[str, Any]


@pytest.fixture
async def desk(fhir: Fhir) -> Desk:
    return await Desk.opened(await Scene.set(fhir))


async def test_what_is_free_is_proposed_in_its_order(desk: Desk) -> None:
    later, sooner = await desk.slot(50), await desk.slot(49)
    await desk.slot(51, status="busy-unavailable")
    found = await desk.found(desk.scene.placer)
    assert slots(found) == [sooner, later]
    assert {each["status"] for each in found} == {"proposed"}
    assert desk.doctor in str(found[0]["participant"])
    assert slots(await desk.found(desk.scene.placer, start=desk.scene.now(hours=49.5))) == [later]
    assert slots(await desk.found(desk.scene.placer, organization=f"Organization/{desk.scene.organizations[1]}")) == [
        sooner,
        later,
    ]
    assert await desk.found(desk.scene.placer, organization=f"Organization/{desk.scene.organizations[2]}") == []


async def test_what_the_caller_may_not_see_is_not_proposed(desk: Desk) -> None:
    """A schedule of a patient is that patient's: http://hl7.org/fhir/R4/schedule.html"""
    actors = [reference(desk.doctor), reference(desk.scene.patient)]
    schedule = await desk.scene.placer.created({"resourceType": "Schedule", "actor": actors})
    slot = await desk.slot(schedule=reference(f"Schedule/{schedule['id']}"))
    assert (await desk.scene.other.get(f"/Schedule/{schedule['id']}")).status_code == 404
    assert await desk.found(desk.scene.other) == []
    assert slots(await desk.found(desk.scene.placer)) == [slot]


async def test_who_may_not_read_number_sources_finds_none(desk: Desk) -> None:
    client = desk.scene.placer.as_(scopes=("system/Appointment.crus",))
    times = [{"name": name, "valueString": desk.scene.now(days=days)} for name, days in (("start", 0), ("end", 10))]
    assert_outcome(await client.post("/Appointment/$find", parameters(*times)), 403, "forbidden")


async def test_an_institution_is_found_behind_those_of_all_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    other = await Desk.opened(desk.scene, owner=2)
    for hours in (40, 41, 42):
        await other.slot(hours)
    slot = await desk.slot(50)
    monkeypatch.setattr("services.referral.offers.MOST", 2)
    clinic = f"Organization/{desk.scene.organizations[1]}"
    answer = await desk.looked(desk.scene.placer, organization=clinic, practitioner=None)
    assert slots([each["resource"] for each in answer["entry"]]) == [slot]


async def test_it_is_told_when_more_is_free_than_was_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in (48, 49, 50):
        await desk.slot(hours)
    whole = await desk.looked(desk.scene.placer)
    assert (whole["total"], [each["search"]["mode"] for each in whole["entry"]]) == (3, ["match"] * 3)
    page = await desk.looked(desk.scene.placer, _count=1)
    assert (page["total"], len(page["entry"])) == (3, 1)
    monkeypatch.setattr("services.referral.offers.MOST", 2)
    cut = await desk.looked(desk.scene.placer)
    assert [each["search"]["mode"] for each in cut["entry"]] == ["match", "match", "outcome"]
    assert cut["entry"][2]["resource"]["issue"][0]["severity"] == "warning"
    assert "total" not in cut


async def test_what_is_proposed_can_be_booked_as_it_is(desk: Desk) -> None:
    slot = await desk.slot()
    (proposed,) = await desk.found(desk.scene.placer, patient_reference=desk.scene.patient)
    answer = await desk.asked("book", desk.scene.placer, {"name": "appointment-resource", "resource": proposed})
    assert answer.status_code == 201, answer.text
    booked = answer.json()
    assert booked["status"] == "booked"
    assert booked["participant"][0]["actor"]["reference"] == desk.scene.patient
    assert answer.headers["location"].endswith(f"/Appointment/{booked['id']}/_history/1")
    assert await desk.status(slot) == "busy"
    assert await desk.found(desk.scene.placer) == []


async def test_a_place_is_booked_once(desk: Desk) -> None:
    slot = await desk.slot()
    await desk.booked(slot)
    other = await desk.scene.meet()
    assert_outcome(await desk.asked("book", desk.scene.placer, of(slot), patient=other), 409, "conflict")
    plain = {
        "resourceType": "Appointment", "status": "booked", "start": desk.scene.now(hours=48), "end": desk.scene.now(hours=49),
        "slot": [reference(slot)], "participant": [{"actor": reference(other), "status": "accepted"}],
    }  # fmt: skip
    assert_outcome(await desk.scene.placer.post("/Appointment", plain), 409, "conflict")


async def test_of_many_who_book_at_once_as_many_get_a_place_as_there_are(desk: Desk) -> None:
    slot = await desk.slot(places=3)
    elders = [await desk.scene.meet() for _ in range(8)]
    answers = await asyncio.gather(*(desk.asked("book", desk.scene.placer, of(slot), patient=e) for e in elders))
    assert sorted(each.status_code for each in answers) == [201] * 3 + [409] * 5
    assert await desk.found(desk.scene.placer) == []


async def test_a_cancelled_place_is_free_again(desk: Desk) -> None:
    slot = await desk.slot()
    booked = await desk.booked(slot)
    reason = {"status": "cancelled", "cancelationReason": {"text": "患者改期"}}
    assert (await desk.scene.placer.put(f"/Appointment/{booked['id']}", booked | reason)).status_code == 200
    assert await desk.status(slot) == "free"
    assert slots(await desk.found(desk.scene.placer)) == [slot]
    await desk.booked(slot)
    assert_outcome(
        await desk.scene.placer.put(f"/Appointment/{booked['id']}", booked), 422, "business-rule", "Appointment.status"
    )


async def test_who_moves_to_another_slot_gives_up_the_first(desk: Desk) -> None:
    first, second = await desk.slot(), await desk.slot(50)
    booked = await desk.booked(first)
    moved = booked | {"slot": [reference(second)]}
    assert (await desk.scene.placer.put(f"/Appointment/{booked['id']}", moved)).status_code == 200
    assert [await desk.status(each) for each in (first, second)] == ["free", "busy"]
    await desk.scene.placer.delete(f"/Appointment/{booked['id']}")
    assert await desk.status(second) == "free"


async def test_what_is_kept_by_an_agreement_is_for_its_institution_alone(desk: Desk) -> None:
    home, stranger = desk.scene.organizations[0], desk.scene.other
    slot = await desk.slot(kept_for=home)
    assert await desk.found(stranger) == []
    assert slots(await desk.found(desk.scene.placer)) == [slot]
    elder = await stranger.created({"resourceType": "Patient"})
    answer = await desk.asked("book", stranger, of(slot), patient=f"Patient/{elder['id']}")
    assert_outcome(answer, 409, "conflict", "Appointment.slot")
    await desk.booked(slot)


async def test_no_more_than_the_agreement_keeps_is_booked_of_it(fhir: Fhir) -> None:
    term = {"type": concept(CONTRACT_TERM, "quota"), "offer": {"answer": [{"valueInteger": 1}]}}
    desk = await Desk.opened(await Scene.set(fhir, term=[term]))
    home = desk.scene.organizations[0]
    await desk.booked(await desk.slot(kept_for=home))
    second = await desk.slot(50, kept_for=home)
    assert_outcome(await desk.asked("book", desk.scene.placer, of(second)), 409, "conflict")
    await desk.booked(await desk.slot(51))


async def test_a_slot_that_is_over_or_closed_is_not_booked(desk: Desk) -> None:
    closed = await desk.slot(status="busy-unavailable")
    assert_outcome(await desk.asked("book", desk.scene.placer, of(closed)), 409, "conflict", "Appointment.slot")
    past = await desk.slot(-2)
    assert_outcome(await desk.asked("book", desk.scene.placer, of(past)), 422, "business-rule", "Appointment.slot")


async def test_what_is_asked_wrongly_is_refused(desk: Desk) -> None:
    client, slot = desk.scene.placer, await desk.slot()
    assert_outcome(await desk.asked("book", client), 400, "value")
    nobody = await client.post("/Appointment/$book", parameters(of(slot)))
    assert_outcome(nobody, 422, "required", "Appointment.participant")
    assert_outcome(await client.get("/Appointment/$find?start=2026-01-01"), 400, "value")
    assert_outcome(await client.get("/Appointment/$find?start=2026-02-01&end=2026-01-01"), 400, "value")
    assert_outcome(await client.get("/Appointment/$find?start=2026&end=2027&colour=red"), 400, "not-supported")
    booked = await desk.booked(slot)
    for operation in ("book", "hold"):
        assert_outcome(await desk.asked(operation, client, again(booked)), 422, "business-rule", "Appointment.status")


async def test_the_institution_sees_who_comes_and_nothing_more(desk: Desk) -> None:
    scene = desk.scene
    problem = await scene.placer.created({"resourceType": "Condition", "subject": reference(scene.patient)})
    assert (await scene.fulfiller.get(f"/{scene.patient}")).status_code == 404
    booked = await desk.booked(await desk.slot())
    assert (await scene.fulfiller.get(f"/{scene.patient}")).status_code == 200
    assert (await scene.fulfiller.get(f"/Condition/{problem['id']}")).status_code == 404
    assert (await scene.other.get(f"/Appointment/{booked['id']}")).status_code == 404
    arrived = booked | {"status": "arrived"}
    assert (await scene.fulfiller.put(f"/Appointment/{booked['id']}", arrived)).status_code == 200
    assert_outcome(
        await scene.fulfiller.put(f"/{scene.patient}", {"resourceType": "Patient", "id": scene.patient[8:]}),
        403,
        "forbidden",
    )


async def test_nobody_says_for_another_whose_number_source_it_is(desk: Desk) -> None:
    """The institution that sees the patient is the slot's, whatever a client writes."""
    scene = desk.scene
    slot = await desk.slot()
    forged = {"url": "https://yiyang.example/fhir/StructureDefinition/appointment-provider",
              "valueReference": reference(f"Organization/{scene.organizations[2]}")}  # fmt: skip
    (proposed, *_) = await desk.found(scene.placer)
    part = {"name": "appointment-resource", "resource": proposed | {"slot": [reference(slot)], "extension": [forged]}}
    answer = await desk.asked("book", scene.placer, part)
    assert scene.organizations[2] not in str(answer.json()["extension"])
    assert (await scene.other.get(f"/{scene.patient}")).status_code == 404


# ---- a place that is kept for a while ------------------------------------------------------------------------------------------------


async def test_a_place_is_held_then_booked(desk: Desk) -> None:
    slot = await desk.slot()
    held = (await desk.asked("hold", desk.scene.placer, of(slot))).json()
    assert held["status"] == "pending"
    assert await desk.found(desk.scene.placer) == []
    other = await desk.scene.meet()
    assert_outcome(await desk.asked("book", desk.scene.placer, of(slot), patient=other), 409, "conflict")
    answer = await desk.asked(
        "book", desk.scene.placer, again(held), patient=held["participant"][0]["actor"]["reference"]
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "booked")
    assert answer.json()["id"] == held["id"]


# ---- the queue -----------------------------------------------------------------------------------------------------------------------


async def test_who_waits_sees_how_many_are_ahead_and_is_told_when_it_is_nearly_time(desk: Desk) -> None:
    scene = desk.scene
    elders = [scene.patient, *[await scene.meet() for _ in range(3)]]
    waiting = []
    for n, elder in enumerate(elders):
        booked = await desk.booked(await desk.slot(30 + n / 4), patient=elder)
        answer = await scene.fulfiller.put(f"/Appointment/{booked['id']}", booked | {"status": "checked-in"})
        waiting.append(answer.json())

    async def ahead(appointment: Json) -> list[int]:
        told = (await scene.placer.get(f"/Appointment/{appointment['id']}/$queue")).json()
        return [each["valueInteger"] for each in told["parameter"]]

    assert [await ahead(each) for each in waiting] == [[0, 4], [1, 4], [2, 4], [3, 4]]
    first = waiting[0] | {"status": "fulfilled"}
    assert (await scene.fulfiller.put(f"/Appointment/{first['id']}", first)).status_code == 200
    assert [await ahead(each) for each in waiting[1:]] == [[0, 3], [1, 3], [2, 3]]
    reminded = []
    for elder in elders:
        found = (await scene.placer.get(f"/Communication?subject={elder}")).json().get("entry", ())
        reminded += [each["resource"]["about"][0]["reference"] for each in found]
    assert reminded == [f"Appointment/{waiting[2]['id']}"]
    done = await scene.placer.get(f"/Appointment/{first['id']}/$queue")
    assert_outcome(done, 422, "business-rule", "Appointment.status")


# ---- a referral takes the place over -------------------------------------------------------------------------------------------------


async def test_a_referral_takes_the_place_of_an_appointment_over(desk: Desk) -> None:
    scene = desk.scene
    task, slot = await scene.at("accepted"), await desk.slot(20)
    booked = await desk.booked(slot)
    added = given(OUTPUT, "appointment", valueReference=reference(f"Appointment/{booked['id']}"))
    answer = await scene.act(task, "schedule", entries=[], output=[*task["output"], added])
    assert answer.status_code == 200, answer.text
    assert state_of(await scene.current(task)) == "scheduled"
    assert await desk.status(slot) == "busy"
    other = await scene.meet()
    assert_outcome(await desk.asked("book", scene.placer, of(slot), patient=other), 409, "conflict")
