"""The story, act by act; each answer is checked for what it must hold (docs/architecture.md)."""

from datetime import datetime
from typing import Final

from yiyang.story import (
    assessment,
    cooperation,
    downward,
    expiry,
    figures,
    offline,
    packages,
    plans,
    registration,
    slip,
    terms,
    upward,
    warning,
)
from yiyang.story.cast import Cast, Order
from yiyang.story.elder import Elder, made_up_elder
from yiyang.story.elements import Calendar
from yiyang.story.institutions import HOSPITAL, INSTITUTIONS, directory_of
from yiyang.story.month import DAYS, LAST_DAY, month
from yiyang.story.stage import Player, Stage, first, resources

PULSES: Final = "code=http://loinc.org|8867-4&_sort=-date&_count=5"


async def play(stage: Stage, cast: Cast, now: datetime) -> None:
    calendar = Calendar(now)
    await introduce(stage, cast)
    elder = made_up_elder()
    patient = await spend_a_month(stage, cast.home, elder, calendar)
    await assessment.assess(stage, cast.home, patient, calendar)
    await offline.push(stage, cast.home, elder, calendar)
    await registration.register(stage, cast.clinic, elder, patient, calendar)
    await assessment.recognise(stage, cast.clinic, patient, calendar)
    own = await plans.propose(stage, cast.home, patient)
    await cooperation.agree(stage, cast, calendar)
    before = await figures.closed(stage, cast.clinic, now)
    alert = await warning.warn(stage, cast.home, patient)
    up = await upward.refer(stage, cast, patient, calendar, now)
    await warning.settle(stage, cast.home, alert)
    encounter = await upward.admit(stage, cast, elder, patient, up, calendar)
    await slip.print_slip(stage, cast.hospital, up)
    down = await downward.refer_back(stage, cast.hospital, patient, encounter, up, now)
    plan = await downward.bring_home(stage, cast, patient, own, down, calendar)
    await downward.close(stage, cast, up, down)
    await slip.print_copy(stage, cast.home, down)
    await warning.call_for_help(stage, cast.home, patient)
    await expiry.expire(stage, cast, patient, up, calendar, now)
    await read_back(stage, cast, patient, plan, up)
    await figures.tell(stage, cast, before, now)
    await be_refused(stage, cast.supervisor, patient)


async def introduce(stage: Stage, cast: Cast) -> None:
    stage.chapter("四家机构登记自己", "four institutions introduce themselves")
    players = (cast.home, cast.clinic, cast.hospital, cast.tcm_hospital)
    for player, institution in zip(players, INSTITUTIONS, strict=True):
        await player.transact(directory_of(institution), "登记机构与人员 · its Organization and staff")
    found = await cast.clinic.get(
        f"Organization?identifier={terms.USCC}|{HOSPITAL.uscc}",
        "按统一社会信用代码查医院 · finds the hospital by its code",
    )
    stage.check([one["id"] for one in resources(found)] == [HOSPITAL.id], f"{HOSPITAL.uscc} = {HOSPITAL.name}")


async def spend_a_month(stage: Stage, home: Player, elder: Elder, calendar: Calendar) -> str:
    """Register her with a month of care, and look at what came of it. Her relative URL."""
    stage.chapter("养老院登记老人，上传一个月的照护与体征", "the home registers an elder and pushes a month of care")
    bundle = month(elder, calendar)
    size = len(bundle["entry"])
    written = await home.transact(bundle, f"登记老人与 {DAYS} 天记录，{size} 条 · one transaction of {size} entries")
    patient = first(written, "Patient")
    record = await home.get(patient, "读老人档案 · reads her record")
    is_hers = record["identifier"][0]["value"] == elder.id_number
    stage.check(is_hers, "身份证号以不存在的区划 999000 开头，不属于任何人 · an id number that is nobody's")
    found = await home.get(f"Observation?patient={patient}&{PULSES}", "最近五次心率 · her last five pulses")
    dates = [one["effectiveDateTime"] for one in resources(found)]
    stage.check(dates == [calendar.at(LAST_DAY + n, 7, 30) for n in range(1, 6)], "最新在前 · newest first")
    return patient


async def read_back(stage: Stage, cast: Cast, patient: str, plan: str, up: Order) -> None:
    stage.chapter("各方读回", "each party reads the record back")
    plans = await cast.home.get(
        f"CarePlan?patient={patient}&status=active&_include=CarePlan:goal", "照护计划 · care plan"
    )
    stage.check(
        {packages.address(one) for one in resources(plans)} > {plan}, "一份执行中的计划与目标 · one plan, its goal"
    )
    notes = await cast.clinic.get(f"Composition?patient={patient}&type={terms.LOINC}|18842-5", "回转单 · the report")
    stage.check(len(resources(notes)) == 1, "回转单已到社区 · the clinic has the report")
    orders = await cast.clinic.get(
        f"ServiceRequest?patient={patient}&_sort=authored&status=completed", "上转与下转 · both referrals"
    )
    stage.check(
        {packages.address(one) for one in resources(orders)} >= {up.request}, "两个闭环均已结案 · both are closed"
    )
    pulses = await cast.hospital.get(f"Observation?patient={patient}&{PULSES}", "养老院的体征 · the home's vital signs")
    stage.check(len(resources(pulses)) == 5, "含家庭医生所测 · with the family doctor's")  # noqa: PLR2004
    history = await cast.hospital.get(f"{up.task}/_history", "任务的全部版本 · every version of the task")
    versions = [int(one["meta"]["versionId"]) for one in resources(history)]
    stage.check(versions == list(range(len(versions), 0, -1)), f"{len(versions)} 个版本，无缺号 · without a gap")


async def be_refused(stage: Stage, supervisor: Player, patient: str) -> None:
    stage.chapter("越权读取被拒绝", "a read without the scope is refused")
    outcome = await supervisor.get(patient, "读个人档案，被拒 · a person's record, refused", expect=403)
    stage.check(outcome["resourceType"] == "OperationOutcome", f"{outcome['issue'][0]['details']['text']}")
    await stage.get(patient, "没有令牌，被拒 · without a token, refused", expect=401)
