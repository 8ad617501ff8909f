"""The way back: a downward referral, the 回转单, the home's care plan, and both loops closed: docs/referral-workflow.md"""

from datetime import datetime
from typing import NamedTuple

from services.referral.package import medication_lines
from yiyang.story import document, packages, plans, stay, terms
from yiyang.story.cast import Cast, Order, known_of, order_of
from yiyang.story.elements import Calendar, Json, transaction, update
from yiyang.story.institutions import HOME, HOSPITAL
from yiyang.story.month import ability
from yiyang.story.referral import Referral, consent, numbered, submission, value
from yiyang.story.stage import Player, Stage
from yiyang.story.upward import receivers


class Stay(NamedTuple):
    """Her time at the hospital, as relative URLs."""

    patient: str
    encounter: str
    diagnosis: str


async def refer_back(stage: Stage, hospital: Player, patient: str, encounter: str, up: Order, now: datetime) -> Order:
    """Offer the way back, discharge her, send the 回转单. The downward referral."""
    stage.chapter("医院发起下转，出院，回传回转单", "the hospital refers back, discharges, and reports")
    calendar = Calendar(now)
    known = await known_of(hospital, patient)
    diagnosis = next(
        packages.address(one)
        for one in known
        if one["resourceType"] == "Condition" and one.get("encounter", {}).get("reference") == encounter
    )
    place = Stay(patient, encounter, diagnosis)
    order = await hospital.get(up.request, "读上转申请 · reads the order")
    referral = _downward(place, order, up, calendar, now)
    package = packages.backward(stage.base, patient, diagnosis, known, calendar.ago(0))
    agreed = consent(patient, HOME, HOSPITAL, calendar.ago(1), calendar.at(-80))
    sent = await hospital.invoke(
        "ServiceRequest/$refer", "下转：资料包、申请、同意书 · package, order and consent of the way back",
        *submission(referral, package, agreed), expect=201,
    )  # fmt: skip
    down = order_of(sent)
    back = value("request", valueReference={"reference": down.request})
    await hospital.invoke(f"{up.task}/$offer-back", "上转任务：已发起下转 · the way back is offered", back)
    index = packages.index_of(document.BACK_NOTE, patient, down.package, HOSPITAL, calendar.ago(0))
    await hospital.post("DocumentReference", index, "资料包索引 · the index entry of the package")
    await _report(hospital, place, known, up, calendar)
    return down


async def bring_home(stage: Stage, cast: Cast, patient: str, own: str, down: Order, calendar: Calendar) -> str:
    """The home takes her back; the hospital's plan and its `own` become one. The CarePlan."""
    stage.chapter("养老院接回老人，核对并执行照护计划", "the home takes her back; two plans become one")
    home = cast.home
    await home.invoke(f"{down.task}/$receive", "签收下转 · received")
    question = value("reason", valueString="利尿剂的服药时间与体重监测频次？")
    await home.invoke(f"{down.task}/$ask", "要求补充，时限暂停 · asks for more, the clock stands still", question)
    answer = value("answer", valueString="晨起服药，每日晨起空腹称重")
    await cast.hospital.invoke(f"{down.task}/$answer", "补充说明 · the answer", answer)
    await home.invoke(f"{down.task}/$accept", "同意接收 · accepted", *receivers(HOME))
    back = {"name": "encounter", "resource": stay.return_home(patient, down.request, calendar)}
    identity = value("identity-verified", valueBoolean=True)
    await home.invoke(f"{down.task}/$arrive", "老人回院，核验身份 · she is back", back, identity)
    await home.invoke(f"{down.task}/$treat", "照护中 · in care")
    lines = medication_lines(await home.get(down.package, "读下转资料包 · reads the package"))
    plan, medication = await plans.reconcile(stage, home, patient, own, down.request, lines)
    again = ability(patient, HOME, ("2", "中度失能"), calendar.ago(0))
    assessed = await home.post("Observation", again, "重新评估 · assessed again")
    await home.invoke(
        f"{down.task}/$feedback", "回执：计划执行、逐条核对用药、重新评估 · plan, medication reconciled, reassessment",
        value("care-plan", valueReference={"reference": plan}),
        value("medication", valueReference={"reference": medication}),
        value("reassessment", valueReference={"reference": f"Observation/{assessed['id']}"}),
    )  # fmt: skip
    return plan


async def close(stage: Stage, cast: Cast, up: Order, down: Order) -> None:
    """A loop is closed when the Task is completed and the placer has acknowledged."""
    stage.chapter("双方确认结案", "both loops are closed by those who opened them")
    for player, order in ((cast.clinic, up), (cast.hospital, down)):
        plan = value("follow-up", valueString="三日内首次随访，两周后复诊")
        await player.invoke(f"{order.task}/$acknowledge", "确认结案，随访计划 · acknowledged, with a follow-up", plan)
        request = await player.get(order.request, "读申请 · reads the order")
        stage.check(request["status"] == "completed", "申请随之完成 · the order is completed with it")


async def _report(hospital: Player, place: Stay, known: list[Json], up: Order, calendar: Calendar) -> None:
    when = calendar.ago(0)
    discharged = stay.discharged(await hospital.get(place.encounter, "读住院记录 · reads the encounter"), calendar)
    await hospital.transact(transaction(update(discharged)), "出院 · discharge")
    report = packages.back_note(place.patient, place.diagnosis, known, when)
    slip = {"name": "composition", "resource": report}
    await hospital.invoke(f"{up.task}/$feedback", "回执：回转单 · the report to the clinic", slip)


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
        authored=calendar.ago(0),
        priority="routine",
        based_on=up.request,
    )
