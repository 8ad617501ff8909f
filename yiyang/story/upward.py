"""The way up: the family doctor asks, the hospital receives, accepts and admits: docs/glossary.md"""

from datetime import datetime

from yiyang.story import document, packages, stay, terms
from yiyang.story.cast import Order, known_of, submit
from yiyang.story.elements import Calendar, Json, create, transaction, update
from yiyang.story.institutions import CLINIC, HOSPITAL
from yiyang.story.referral import Referral, consent, moved, numbered, submission
from yiyang.story.stage import Player, Stage, first, resources
from yiyang.story.visit import DAY, REASON, visit


async def refer(stage: Stage, clinic: Player, patient: str, calendar: Calendar, now: datetime) -> Order:
    stage.chapter("家庭医生巡诊，提出上转", "the family doctor's visit ends in an upward referral")
    visited = await clinic.transact(
        visit(patient, calendar), "巡诊、体征、初步印象 · visit, vital signs, first impression"
    )
    encounter, impression = first(visited, "Encounter"), first(visited, "Condition")
    known = await known_of(clinic, patient)
    when, number = calendar.at(DAY, 11), numbered(CLINIC, now)
    referral = Referral(
        direction=terms.UP,
        placer=CLINIC,
        fulfiller=HOSPITAL,
        patient=patient,
        encounter=encounter,
        condition=impression,
        service="心内科住院诊治",
        reason=REASON,
        number=number,
        chain=number,
        authored=when,
        deadline=calendar.at(DAY, 15),
    )
    package = packages.upward(stage.base, patient, impression, known, when)
    index = packages.index_of(document.REFERRAL_NOTE, patient, CLINIC, when)
    agreed = consent(patient, HOSPITAL, CLINIC, when, calendar.at(-80))
    return await submit(
        clinic,
        transaction(*submission(referral, package, index, agreed)),
        "上转：同意书、资料包、申请、任务 · consent, package, order and task in one transaction",
    )


async def admit(stage: Stage, hospital: Player, patient: str, up: Order, calendar: Calendar) -> str:
    """From the worklist to the ward. The Encounter."""
    stage.chapter("医院签收、同意、安排、收治", "the hospital receives, accepts, schedules and admits")
    submitted = await _from_worklist(stage, hospital, patient, up)
    received = await hospital.put(moved(submitted, "received", calendar.at(DAY, 11, 20)), "签收 · received")
    late = moved(submitted, "received", calendar.at(DAY, 11, 21))
    await hospital.put(late, "同事以旧版本再签收，被拒 · a colleague's stale version is refused", expect=412)
    accepted = await hospital.put(moved(received, "accepted", calendar.at(DAY, 11, 40)), "同意接收 · accepted")
    appointment = create(stay.appointment(patient, up.request, calendar))
    scheduled = moved(accepted, "scheduled", calendar.at(DAY, 12))
    await hospital.transact(transaction(appointment, update(scheduled)), "安排床位与时间 · appointment, task scheduled")
    arrived = moved(await hospital.get(up.task, "读任务 · reads the task"), "arrived", calendar.at(DAY, 14, 20))
    admission = create(stay.admission(patient, up.request, calendar))
    admitted = await hospital.transact(transaction(admission, update(arrived)), "到诊入院 · she arrives: encounter")
    encounter = first(admitted, "Encounter")
    current = await hospital.get(up.task, "读任务 · reads the task")
    treating = moved(current, "treating", calendar.at(DAY, 15), ("住院", encounter))
    treatment = transaction(*stay.treatment(patient, encounter, calendar), update(treating))
    await hospital.transact(treatment, "诊断、检验、用药 · diagnosis, laboratory, medication")
    return encounter


async def _from_worklist(stage: Stage, hospital: Player, patient: str, up: Order) -> Json:
    worklist = await hospital.get(
        f"Task?owner=Organization/{HOSPITAL.id}&status=requested&patient={patient}&_include=Task:focus",
        "待受理的转诊 · its worklist, with the orders",
    )
    found = {packages.address(one): one for one in resources(worklist)}
    stage.check(set(found) == {up.task, up.request}, "任务与申请一并返回 · the task and its order")
    package = await hospital.get(up.package, "读转诊资料包 · reads the package")
    titles = [section["title"] for section in package["entry"][0]["resource"]["section"]]
    stage.check(len(package["entry"]) > len(titles), f"资料包章节 · sections: {'、'.join(titles)}")
    return found[up.task]
