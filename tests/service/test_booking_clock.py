"""What nobody confirms is given up, who booked is reminded: docs/adr/0052"""

from datetime import timedelta

from tests.bulk import database
from tests.desks import Desk, again, of
from tests.leaping import House, house
from tests.matchers import assert_outcome

__all__ = ["database", "house"]

H = timedelta(hours=1)


async def test_what_nobody_confirms_is_free_after_ten_minutes(house: House) -> None:
    desk = await Desk.opened(house.scene)
    slot = await desk.slot()
    held = (await desk.asked("hold", desk.scene.placer, of(slot))).json()
    await house.after(0.1 * H)
    assert (await house.scene.placer.get(f"/Appointment/{held['id']}")).json()["status"] == "pending"
    await house.after(0.1 * H)
    lapsed = (await house.scene.placer.get(f"/Appointment/{held['id']}")).json()
    assert lapsed["status"] == "cancelled"
    assert await desk.status(slot) == "free"
    await desk.booked(slot)


async def test_who_confirms_in_time_keeps_it(house: House) -> None:
    desk = await Desk.opened(house.scene)
    slot = await desk.slot()
    held = (await desk.asked("hold", desk.scene.placer, of(slot))).json()
    await desk.asked("book", desk.scene.placer, again(held))
    await house.after(1 * H)
    assert (await house.scene.placer.get(f"/Appointment/{held['id']}")).json()["status"] == "booked"
    another = await desk.scene.meet()
    assert_outcome(await desk.asked("book", desk.scene.placer, of(slot), patient=another), 409, "conflict")


async def test_the_patient_is_reminded_the_day_before(house: House) -> None:
    desk = await Desk.opened(house.scene)
    booked = await desk.booked(await desk.slot(48))
    cancelled = await desk.booked(await desk.slot(49))
    reason = {"status": "cancelled", "cancelationReason": {"text": "患者改期"}}
    await desk.scene.placer.put(f"/Appointment/{cancelled['id']}", cancelled | reason)
    await house.after(23 * H)
    query = f"/Communication?subject={desk.scene.patient}"
    assert "entry" not in (await desk.scene.placer.get(query)).json()
    await house.after(3 * H)
    (told,) = (await desk.scene.placer.get(query)).json()["entry"]
    reminder = told["resource"]
    assert reminder["about"] == [{"reference": f"Appointment/{booked['id']}"}]
    assert "就诊提醒" in reminder["payload"][0]["contentString"]
    assert "乌有福" not in str(reminder)
    await house.after(60 * H)
    assert len((await desk.scene.placer.get(query)).json()["entry"]) == 1
