"""The way up: a stat referral that one hospital has no bed for, and the other receives, accepts, waits for and admits: docs/referral-workflow.md"""

import asyncio
from datetime import datetime
from typing import Final

from yiyang.story import document, old_system, packages, stay, summary, terms
from yiyang.story.cast import Cast, Order, known_of, order_of
from yiyang.story.elder import Elder
from yiyang.story.elements import Calendar, Json, transaction
from yiyang.story.institutions import CLINIC, HOSPITAL, TCM_HOSPITAL, Institution
from yiyang.story.referral import Referral, consent, numbered, submission, value
from yiyang.story.stage import Player, Stage, first, resources
from yiyang.story.visit import REASON, visit

SHORT_WINDOW: Final = 1.5
"""Seconds until the first appointment is over, so that a no-show can be seen."""


async def refer(stage: Stage, cast: Cast, patient: str, calendar: Calendar, now: datetime) -> Order:
    """The visit, the referral, its rejection, and the other hospital that it goes to then."""
    stage.chapter("家庭医生巡诊，紧急上转", "the family doctor's visit ends in a stat upward referral")
    clinic = cast.clinic
    visited = await clinic.transact(
        visit(patient, calendar), "巡诊、体征、初步印象 · visit, vital signs, first impression"
    )
    encounter, impression = first(visited, "Encounter"), first(visited, "Condition")
    known = await known_of(clinic, patient)
    number = numbered(CLINIC, now)
    referral = Referral(
        direction=terms.UP,
        placer=CLINIC,
        fulfiller=TCM_HOSPITAL,
        patient=patient,
        encounter=encounter,
        condition=impression,
        service="心内科住院诊治",
        reason=REASON,
        number=number,
        chain=number,
        authored=calendar.ago(5),
        priority="stat",
    )
    package = packages.upward(stage.base, patient, impression, known, calendar.ago(5))
    sent = await clinic.invoke(
        "ServiceRequest/$refer", "急危重症上转：申请、资料包、同意书，一次提交 · stat: order, package, consent in one commit",
        *submission(referral, package, agreed(patient, TCM_HOSPITAL, calendar)), expect=201,
    )  # fmt: skip
    order = order_of(sent)
    index = packages.index_of(document.REFERRAL_NOTE, patient, order.package, CLINIC, calendar.ago(5))
    await clinic.post("DocumentReference", index, "资料包索引 · the index entry of the package")
    return await _readdress(stage, cast, order, patient, calendar)


async def _readdress(stage: Stage, cast: Cast, order: Order, patient: str, calendar: Calendar) -> Order:
    stage.chapter("中医院无床位，改投医院", "no bed at the first hospital: the referral is readdressed")
    refusal, instead = value("reason", valueCode="no-bed"), value("alternative", valueReference=HOSPITAL.reference)
    reject = f"{order.task}/$reject"
    await cast.tcm_hospital.invoke(
        reject, "急危重症须给出替代去向，被拒 · not without somewhere else to go", refusal, expect=422
    )
    await cast.tcm_hospital.invoke(
        reject, "拒绝：无床位，建议改送医院 · rejected: no bed, go there instead", refusal, instead
    )
    again = await cast.clinic.invoke(
        f"{order.task}/$readdress", "改投，同一申请的新任务 · a new Task of the same request",
        value("performer", valueReference=HOSPITAL.reference), {"name": "consent", "resource": agreed(patient, HOSPITAL, calendar)}, expect=201,
    )  # fmt: skip
    stage.check(order_of(again).request == order.request, "申请未变 · the request is the same")
    return order_of(again)


async def admit(stage: Stage, cast: Cast, elder: Elder, patient: str, up: Order, calendar: Calendar) -> str:
    """From the worklist to the ward. The Encounter."""
    stage.chapter("医院签收、同意", "the hospital receives and accepts")
    hospital = cast.hospital
    submitted = await _from_worklist(stage, hospital, patient, up)
    await hospital.invoke(f"{up.task}/$receive", "签收 · received")
    await hospital.put(submitted, "同事以旧版本再写，被拒 · a colleague's stale version is refused", expect=412)
    await hospital.invoke(f"{up.task}/$treat", "未到诊不能开始诊疗，被拒 · not before she arrives", expect=422)
    question = value("reason", valueString="请补充近期心电图")
    await hospital.invoke(
        f"{up.task}/$ask", "急危重症不等补充材料，被拒 · stat waits for no paper", question, expect=422
    )
    open_acts = await hospital.get(f"{up.task}/$actions", "现在可以做什么 · what is open now")
    names = [each["part"][0]["valueCoding"]["code"] for each in open_acts["parameter"]]
    stage.check("accept" in names, f"可用操作 · open: {'、'.join(names)}")
    await hospital.invoke(f"{up.task}/$accept", "同意接收，科室、医生、时间窗 · accepted", *receivers(HOSPITAL))
    await summary.read(stage, hospital, patient)
    await _miss(stage, hospital, up)
    encounter = await old_system.admit(stage, hospital, elder, patient, calendar)
    return await _arrive(hospital, patient, up, encounter, calendar)


async def _miss(stage: Stage, hospital: Player, up: Order) -> None:
    stage.chapter("床位预留，未到诊，改约一次", "a bed is reserved, she does not come, another time is found")
    now = Calendar.current()
    missed = (now.ago(1), now.ago(-SHORT_WINDOW / 60), value("bed", valueReference=HOSPITAL.bed))
    await _schedule(hospital, up, *missed, says="安排床位与时间 · bed and time")
    await asyncio.sleep(SHORT_WINDOW)
    contact = value("contact", valueString="电话联系家属，途中道路中断")
    gone = await hospital.invoke(f"{up.task}/$no-show", "未到诊，释放床位 · no-show, the bed is free again", contact)
    stage.check(gone["status"] == "on-hold", gone["businessStatus"]["coding"][0]["display"])
    again = (now.ago(-60), now.ago(-120), value("bed", valueReference=HOSPITAL.bed))
    await _schedule(hospital, up, *again, says="改约，床位再次预留 · rebooked, the bed is reserved again")


async def _schedule(hospital: Player, up: Order, start: str, end: str, bed: Json, says: str) -> None:
    times = (value("start", valueDateTime=start), value("end", valueDateTime=end))
    await hospital.invoke(f"{up.task}/$schedule", says, *times, bed)


async def _arrive(hospital: Player, patient: str, up: Order, encounter: str, calendar: Calendar) -> str:
    await hospital.invoke(
        f"{up.task}/$arrive", "到诊，核验身份，入院 · arrived, identity verified, admitted",
        value("encounter", valueReference={"reference": encounter}), value("identity-verified", valueBoolean=True),
    )  # fmt: skip
    await hospital.invoke(f"{up.task}/$treat", "开始诊疗 · treatment begins")
    treatment = transaction(*stay.treatment(patient, encounter, calendar))
    await hospital.transact(treatment, "诊断、检验、用药、建议 · diagnosis, laboratory, medication, proposal")
    return encounter


def receivers(institution: Institution) -> tuple[Json, ...]:
    role = "physician" if any(one.role[0] == "physician" for one in institution.staff) else "nurse"
    return (
        value("department", valueReference=institution.department),
        value("physician", valueReference=institution.member(role)),
    )


def agreed(patient: str, recipient: Institution, calendar: Calendar) -> Json:
    return consent(patient, recipient, CLINIC, calendar.ago(30), calendar.at(-80))


async def _from_worklist(stage: Stage, hospital: Player, patient: str, up: Order) -> Json:
    worklist = await hospital.get(
        f"Task?owner=Organization/{HOSPITAL.id}&business-status=submitted&patient={patient}&_include=Task:focus",
        "待受理的转诊 · its worklist, with the orders",
    )
    found = {packages.address(one): one for one in resources(worklist)}
    stage.check(set(found) == {up.task, up.request}, "任务与申请一并返回 · the task and its order")
    package = await hospital.get(up.package, "读转诊资料包 · reads the package")
    titles = [section["title"] for section in package["entry"][0]["resource"]["section"]]
    stage.check(len(package["entry"]) > len(titles), f"资料包章节 · sections: {'、'.join(titles)}")
    return found[up.task]
