"""Beds and number sources: found, kept for one institution, taken once, free again (docs/referral-workflow.md)."""

from typing import Any

import pytest

from services.referral.codes import CAPACITY_EXTENSION, OUTPUT, QUOTA_OWNER_EXTENSION, outputs
from services.referral.states import state_of
from tests.builders import create, urn
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene, given, now, reference

Json = dict[str, Any]


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


async def a_slot(scene: Scene, *extensions: Json, specialty: str = "心内科") -> str:
    """A number source of the fulfiller tomorrow; its name."""
    owner = reference(f"Organization/{scene.organizations[1]}")
    offered = {
        "resourceType": "HealthcareService",
        "active": True,
        "providedBy": owner,
        "specialty": [{"coding": [{"system": "urn:test", "code": scene.mark}], "text": specialty}],
    }
    service = await scene.fulfiller.created(offered)
    schedule = await scene.fulfiller.created(
        {"resourceType": "Schedule", "actor": [reference(f"HealthcareService/{service['id']}")]}
    )
    slot = {
        "resourceType": "Slot", "status": "free", "schedule": reference(f"Schedule/{schedule['id']}"),
        "start": now(hours=20), "end": now(hours=21),
    }  # fmt: skip
    made = await scene.fulfiller.created(slot | ({"extension": list(extensions)} if extensions else {}))
    return f"Slot/{made['id']}"


def booked(scene: Scene, task: Json, slot: str) -> tuple[Json, list[Json]]:
    name = urn()
    appointment = {
        "resourceType": "Appointment", "status": "booked", "start": now(hours=20), "end": now(hours=21), "slot": [reference(slot)],
        "participant": [{"actor": task["for"], "status": "accepted"}],
    }  # fmt: skip
    added = given(OUTPUT, "appointment", valueReference=reference(name))
    return {"output": [*task["output"], added]}, [create(appointment, name)]


async def status_of(scene: Scene, slot: str) -> str:
    found: str = (await scene.fulfiller.get(f"/{slot}")).json()["status"]
    return found


async def institutions(fhir: Fhir, query: str) -> dict[str, Json]:
    answer = await fhir.get(f"/Slot/$find-capacity?{query}")
    assert answer.status_code == 200, answer.text
    found = [{p["name"]: p for p in each["part"]} for each in answer.json().get("parameter", ()) if "part" in each]
    return {each["organization"]["valueReference"]["reference"].partition("/")[2]: each for each in found}


async def test_a_number_source_is_busy_while_it_is_held_and_free_again_after(scene: Scene) -> None:
    slot, task = await a_slot(scene), await scene.at("accepted")
    changed, entries = booked(scene, task, slot)
    task = await scene.done(task, "schedule", entries=entries, **changed)
    assert await status_of(scene, slot) == "busy"
    await scene.meet()
    second = await scene.at("accepted")
    changed, entries = booked(scene, second, slot)
    assert_outcome(await scene.act(second, "schedule", entries=entries, **changed), 409, "conflict")
    await scene.done(task, "withdraw")
    assert await status_of(scene, slot) == "free"
    assert state_of(await scene.done(second, "schedule", entries=entries, **changed)) == "scheduled"


async def test_a_slot_of_two_places_takes_two(scene: Scene) -> None:
    slot = await a_slot(scene, {"url": CAPACITY_EXTENSION, "valueInteger": 2})
    for n in range(3):
        await scene.meet()
        task = await scene.at("accepted")
        changed, entries = booked(scene, task, slot)
        answer = await scene.act(task, "schedule", entries=entries, **changed)
        assert answer.status_code == (200 if n < 2 else 409), answer.text


async def test_what_is_kept_for_another_institution_is_not_given(scene: Scene) -> None:
    kept = {"url": QUOTA_OWNER_EXTENSION, "valueReference": reference("Organization/somebody-else")}
    slot, task = await a_slot(scene, kept), await scene.at("accepted")
    changed, entries = booked(scene, task, slot)
    assert_outcome(await scene.act(task, "schedule", entries=entries, **changed), 409, "conflict")


async def test_capacity_is_found_by_specialty_and_is_less_when_it_is_held(scene: Scene) -> None:
    slot, owner = await a_slot(scene), scene.organizations[1]
    place = {"latitude": 39.67, "longitude": 106.81}
    await scene.fulfiller.created(
        {"resourceType": "Location", "managingOrganization": reference(f"Organization/{owner}"), "position": place}
    )
    found = await institutions(scene.placer, f"specialty=urn:test|{scene.mark}&near=39.68|106.81")
    assert list(found) == [owner]
    mine = found[owner]
    assert mine["free-slots"]["valueInteger"] == 1
    assert mine["distance-km"]["valueDecimal"] == pytest.approx(1.1, abs=0.1)
    assert "soonest" in mine
    task = await scene.at("accepted")
    changed, entries = booked(scene, task, slot)
    await scene.done(task, "schedule", entries=entries, **changed)
    after = await institutions(scene.placer, f"specialty=urn:test|{scene.mark}")
    assert after.get(owner, {"free-slots": {"valueInteger": 0}})["free-slots"]["valueInteger"] == 0
    assert_outcome(await scene.placer.get("/Slot/$find-capacity?near=here"), 400, "value")


async def status_of_booking(scene: Scene, task: Json) -> str:
    name = next(v["reference"] for v in reversed(outputs(task, "appointment")))
    return await status_of(scene, name)


@pytest.mark.parametrize(("act", "status", "then"), [("withdraw", "cancelled", "free"), ("arrive", "arrived", "busy")])
async def test_the_appointment_follows_the_referral(scene: Scene, act: str, status: str, then: str) -> None:
    slot, task = await a_slot(scene), await scene.at("accepted")
    changed, entries = booked(scene, task, slot)
    task = await scene.done(task, "schedule", entries=entries, **changed)
    assert await status_of_booking(scene, task) == "booked"
    await scene.done(task, act)
    assert await status_of_booking(scene, task) == status
    assert await status_of(scene, slot) == then


async def test_rescheduling_cancels_what_was_booked_before(scene: Scene) -> None:
    first, second, task = await a_slot(scene), await a_slot(scene), await scene.at("accepted")
    changed, entries = booked(scene, task, first)
    task = await scene.done(task, "schedule", entries=entries, **changed)
    before = task
    changed, entries = booked(scene, task, second)
    task = await scene.done(task, "schedule", entries=entries, **changed)
    assert await status_of_booking(scene, before) == "cancelled"
    assert await status_of_booking(scene, task) == "booked"
    assert [await status_of(scene, each) for each in (first, second)] == ["free", "busy"]


async def test_an_appointment_of_no_referral_does_not_book_a_held_slot_again(scene: Scene) -> None:
    slot, task = await a_slot(scene), await scene.at("accepted")
    changed, entries = booked(scene, task, slot)
    task = await scene.done(task, "schedule", entries=entries, **changed)
    plain = entries[0]["resource"]
    assert_outcome(await scene.fulfiller.post("/Appointment", plain), 409, "conflict")
    await scene.done(task, "withdraw")
    other = await scene.placer.created(plain)
    assert await status_of(scene, slot) == "busy"
    second = await scene.at("accepted")
    changed, entries = booked(scene, second, slot)
    assert_outcome(await scene.act(second, "schedule", entries=entries, **changed), 409, "conflict")
    given_up = other | {"status": "cancelled"}
    assert (await scene.placer.put(f"/Appointment/{other['id']}", given_up)).status_code == 200
    assert await status_of(scene, slot) == "free"
    await scene.done(second, "schedule", entries=entries, **changed)


async def test_a_referral_is_scheduled_by_an_appointment_that_is_there(scene: Scene) -> None:
    slot, task = await a_slot(scene), await scene.at("accepted")
    _, entries = booked(scene, task, slot)
    there = await scene.fulfiller.created(entries[0]["resource"])
    added = given(OUTPUT, "appointment", valueReference=reference(f"Appointment/{there['id']}"))
    task = await scene.done(task, "schedule", entries=[], output=[*task["output"], added])
    assert await status_of(scene, slot) == "busy"
    ways: tuple[Json, ...] = ({"status": "cancelled"}, {"slot": []})
    for changed in ways:
        sent = {name: value for name, value in (there | changed).items() if value}
        answer = await scene.fulfiller.put(f"/Appointment/{there['id']}", sent)
        assert_outcome(answer, 422, "business-rule", "Appointment.status")
    assert (await scene.fulfiller.put(f"/Appointment/{there['id']}", there | {"comment": "三楼"})).status_code == 200
    await scene.done(task, "withdraw")
    assert await status_of_booking(scene, task) == "cancelled"
    assert await status_of(scene, slot) == "free"
