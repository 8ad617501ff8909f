"""What the story changes in an indicator, for the clinic that refers and for who oversees it: http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html"""

from datetime import datetime
from typing import Final

from yiyang.story.cast import SUPERVISOR, Cast
from yiyang.story.elements import Json, concept, reference, transaction, update
from yiyang.story.institutions import CLINIC
from yiyang.story.stage import Player, Stage
from yiyang.story.terms import local

MEASURE: Final = "referral-closed-loop"


async def closed(stage: Stage, clinic: Player, now: datetime) -> int:
    """How many of the clinic's referrals of the year are closed so far."""
    stage.chapter("转诊之前的指标", "the figures before the referral")
    report = await clinic.get(_asked(now), "本机构转诊闭环率 · its own closed loop of referrals")
    return int(_numbers(report)[1] or 0)


async def tell(stage: Stage, cast: Cast, before: int, now: datetime) -> None:
    stage.chapter(
        "指标变化：机构看自己的，监管只看汇总",
        "the figures that changed: one's own in full, to the supervisor sums alone",
    )
    report = await cast.clinic.get(_asked(now), "转诊之后的闭环率 · the closed loop after it")
    total, done = _numbers(report)
    stage.check((done or 0) > before, f"闭环 {before} → {done}，共接收 {total} · closed {before} → {done} of {total}")
    await cast.clinic.transact(
        transaction(update(_oversight())), "机构登记其监管机构 · the clinic names who oversees it"
    )
    seen = await cast.supervisor.get(_asked(now), "监管机构看汇总 · what the supervisor is told")
    told = [number for number in _numbers(seen) if number is not None]
    stage.check(all(number == 0 or number >= 5 for number in told), "小于 5 的数不显示 · numbers below 5 are masked")  # noqa: PLR2004
    refused = f"{_asked(now)}&reportType=subject-list"
    await cast.supervisor.get(refused, "个人名单，被拒 · a list of persons, refused", expect=403)


def _asked(now: datetime) -> str:
    return f"Measure/{MEASURE}/$evaluate-measure?periodStart={now.year}&periodEnd={now.year}"


def _numbers(report: Json) -> list[int | None]:
    """Denominator and numerator; None where one is masked."""
    return [each.get("count") for each in report["group"][0]["population"]]


def _oversight() -> Json:
    return {
        "resourceType": "OrganizationAffiliation",
        "id": f"{CLINIC.id}-oversight",
        "active": True,
        "organization": reference(f"Organization/{SUPERVISOR}"),
        "participatingOrganization": CLINIC.reference,
        "code": [concept(local("affiliation-type", "oversight", "监管（仅汇总数据）"))],
    }
