"""The platform's clock escalates, expires and misses, once each, whatever happened before (docs/referral-workflow.md)."""

from datetime import timedelta
from typing import Any

from services.fhir.elements import reference_in
from services.referral.clocks import clock_of
from services.referral.codes import INPUT, outputs
from services.referral.states import state_of
from tests.builders import create, urn
from tests.bulk import database
from tests.leaping import House, house
from tests.matchers import assert_outcome
from tests.referrals import Scene, given

__all__ = ["database", "house"]

Json = dict[str, Any]
H = timedelta(hours=1)


async def told(scene: Scene, task: Json) -> list[str]:
    query = f"/Communication?subject={scene.patient}&_sort=_lastUpdated"
    found = (await scene.placer.get(query)).json().get("entry", ())
    about = [e["resource"] for e in found if e["resource"].get("about") == [{"reference": f"Task/{task['id']}"}]]
    return [each["payload"][0]["contentString"] for each in about]


async def test_who_waits_is_told_of_twice_and_then_the_referral_expires(house: House) -> None:
    task = await house.scene.submitted()  # urgent: received within 1 h, accepted within 4 h, expired after 8 h
    await house.after(0.6 * H)
    assert clock_of(await house.scene.current(task)).escalated == 50
    await house.after(0.6 * H)
    await house.after(0.1 * H)
    assert clock_of(await house.scene.current(task)).escalated == 100
    assert len(await told(house.scene, task)) == 2
    await house.after(7 * H)
    expired = await house.scene.current(task)
    assert (state_of(expired), expired["status"]) == ("expired", "cancelled")
    assert (await house.scene.order_of(task))["status"] == "revoked"
    assert expired["meta"]["versionId"] == "4"
    await house.after(100 * H)
    assert (await house.scene.current(task))["meta"]["versionId"] == "4"
    again = await house.scene.submitted(package=house.scene.package(taken=house.clock.now().isoformat()))
    assert state_of(again) == "submitted"


async def test_an_emergency_is_escalated_and_never_expires(house: House) -> None:
    task = await house.scene.submitted(house.scene.request(priority="stat"))
    for _ in range(4):
        await house.after(30 * H)
    waiting = await house.scene.current(task)
    assert (state_of(waiting), clock_of(waiting).escalated) == ("submitted", 100)


async def test_the_clock_stands_still_while_the_placer_is_asked(house: House) -> None:
    scene = house.scene
    task = await scene.at("received")
    due = task["restriction"]["period"]["end"]
    task = await scene.done(task, "ask")
    await house.after(3 * H)
    task = await scene.done(task, "answer")
    assert clock_of(task).paused >= 3 * 3600
    assert task["restriction"]["period"]["end"] > due
    await house.after(6 * H)  # nine after the submission, six of them running
    assert state_of(await scene.current(task)) == "received"


async def test_who_does_not_come_is_missed_and_the_bed_is_free_again(house: House) -> None:
    scene = house.scene
    task = await scene.at("scheduled")
    await scene.meet()
    second = await scene.at("accepted")
    assert_outcome(await scene.act(second, "schedule"), 409, "conflict")
    await house.after(6 * H)  # the appointment was over after three, and two more
    missed = await scene.placer.get(f"/Task/{task['id']}")
    assert state_of(missed.json()) == "no-show"
    assert clock_of(missed.json()).places == ""
    booked = reference_in(outputs(missed.json(), "appointment")[-1])
    assert (await scene.placer.get(f"/{booked}")).json()["status"] == "noshow"


async def test_the_rest_of_an_emergencys_package_is_flagged_when_it_does_not_come(house: House) -> None:
    scene = house.scene
    task = await scene.submitted(scene.request(priority="stat"), scene.package(but="8648-8"))
    complete = clock_of(task).complete
    assert complete is not None
    await house.after(25 * H)
    assert clock_of(await scene.current(task)).flagged == 1
    taken = house.clock.now().isoformat()
    task = await scene.submitted(scene.request(priority="stat"), scene.package(but="8648-8", taken=taken))
    rest = create(scene.package(taken=taken), urn())
    added = given(INPUT, "package", valueReference={"reference": rest["fullUrl"]})
    task = await scene.done(task, "supplement", entries=[rest], input=[*task["input"], added])
    assert clock_of(task).complete is None
    await house.after(25 * H)
    assert clock_of(await scene.current(task)).flagged == 0


async def test_the_deadline_is_the_servers_whatever_a_client_says(house: House) -> None:
    scene = house.scene
    task = await scene.submitted(
        restriction={"period": {"end": "2099-01-01T00:00:00Z"}}, lastModified="2099-01-01T00:00:00Z"
    )
    assert task["restriction"]["period"]["end"] < "2099"
    assert task["lastModified"] < "2099"
