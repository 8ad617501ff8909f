"""The way back: the 回转单, a downward referral, the home's care plan, and both loops closed: docs/glossary.md"""

from datetime import datetime
from typing import NamedTuple

from yiyang.story import document, packages, stay, terms
from yiyang.story.cast import Cast, Order, known_of, submit
from yiyang.story.elements import Calendar, Json, create, transaction, update
from yiyang.story.home_care import care_plan
from yiyang.story.institutions import HOME, HOSPITAL
from yiyang.story.referral import Referral, moved, numbered, submission
from yiyang.story.stage import Player, Stage, first

READS = "读任务 · reads the task"


class Stay(NamedTuple):
    """Her time at the hospital, as relative URLs."""

    patient: str
    encounter: str
    diagnosis: str


async def refer_back(stage: Stage, hospital: Player, patient: str, encounter: str, up: Order, now: datetime) -> Order:
    """Offer the way back, discharge her, send the 回转单. The downward referral."""
    stage.chapter("医院发起下转，出院，回传回转单", "the hospital refers back, discharges, and reports")
    calendar, when = Calendar(now), Calendar(now).at(stay.DISCHARGED, 9)
    known = await known_of(hospital, patient)
    diagnosis = next(
        packages.address(one)
        for one in known
        if one["resourceType"] == "Condition" and one.get("encounter", {}).get("reference") == encounter
    )
    place = Stay(patient, encounter, diagnosis)
    order = await hospital.get(up.request, "读上转申请 · reads the order")
    referral = _downward(place, order, up, calendar, now)
    index = packages.index_of(document.BACK_NOTE, patient, HOSPITAL, when)
    offered = moved(await hospital.get(up.task, READS), "back-offered", when)
    package = packages.backward(stage.base, patient, diagnosis, known, when)
    entries = [*submission(referral, package, index), update(offered)]
    down = await submit(
        hospital, transaction(*entries), "下转：资料包、申请、任务 · package, order, task of the way back"
    )
    await _report(hospital, place, known, up, calendar)
    return down


async def bring_home(stage: Stage, home: Player, patient: str, down: Order, calendar: Calendar) -> str:
    """The home takes her back and plans her care. The CarePlan."""
    stage.chapter("养老院接回老人，执行照护计划", "the home takes her back with an active care plan")
    current = await home.get(down.task, READS)
    for state, minute, says in (
        ("received", 0, "签收下转 · received"),
        ("accepted", 10, "同意接收 · accepted"),
        ("arrived", 30, "老人回院 · she is back"),
        ("treating", 40, "照护中 · in care"),
    ):
        current = await home.put(moved(current, state, calendar.at(0, 9, minute)), says)
    diagnosis = (await home.get(down.request, "读下转申请 · reads the order"))["reasonReference"][0]["reference"]
    planned = await home.transact(
        transaction(*care_plan(patient, down.request, diagnosis, calendar)),
        "照护计划、目标、小组、重新评估 · care plan, goal, team, reassessment",
    )
    plan = first(planned, "CarePlan")
    done = moved(current, "feedback-sent", calendar.at(0, 11), ("照护计划", plan))
    await home.put(done, "回执：照护计划已执行 · feedback: the plan is active")
    return plan


async def close(stage: Stage, cast: Cast, up: Order, down: Order, calendar: Calendar) -> None:
    """A loop is closed when the Task is completed and the placer has acknowledged."""
    stage.chapter("双方确认结案", "both loops are closed by those who opened them")
    for player, order in ((cast.clinic, up), (cast.hospital, down)):
        closed = moved(await player.get(order.task, READS), "closed", calendar.at(0, 12))
        request = await player.get(order.request, "读申请 · reads the order")
        entries = transaction(update(closed), update(request | {"status": "completed"}))
        await player.transact(entries, "确认结案 · acknowledged, order completed")


async def _report(hospital: Player, place: Stay, known: list[Json], up: Order, calendar: Calendar) -> None:
    when = calendar.at(stay.DISCHARGED, 11)
    discharged = stay.discharged(await hospital.get(place.encounter, "读住院记录 · reads the encounter"), calendar)
    report = create(packages.back_note(place.patient, place.diagnosis, known, when))
    written = await hospital.transact(
        transaction(update(discharged), report), "出院，回转单 · discharge and the report to the clinic"
    )
    current = await hospital.get(up.task, READS)
    sent = moved(current, "feedback-sent", when, ("回转单", first(written, "Composition")))
    await hospital.put(sent, "已发回转单 · feedback sent")


def _downward(place: Stay, order: Json, up: Order, calendar: Calendar, now: datetime) -> Referral:
    return Referral(
        direction=terms.DOWN,
        placer=HOSPITAL,
        fulfiller=HOME,
        patient=place.patient,
        encounter=place.encounter,
        condition=place.diagnosis,
        service="出院后康复与照护",
        reason="急性期治疗结束，病情稳定，转回养老机构继续照护",
        number=numbered(HOSPITAL, now),
        chain=order["requisition"]["value"],
        authored=calendar.at(stay.DISCHARGED, 9),
        deadline=calendar.at(-2),
        based_on=up.request,
    )
