"""A referral that nobody answers: the platform's clock escalates and ends it (docs/referral-workflow.md)."""

import asyncio
from datetime import datetime, timedelta

from yiyang.story.cast import Cast, Order
from yiyang.story.elements import Calendar, concept
from yiyang.story.institutions import CLINIC, TCM_HOSPITAL
from yiyang.story.referral import numbered, value
from yiyang.story.stage import Stage
from yiyang.story.upward import agreed


async def expire(stage: Stage, cast: Cast, patient: str, up: Order, calendar: Calendar, now: datetime) -> None:
    """Nobody answers a second referral: the platform's clock ends it."""
    stage.chapter(
        "无人受理的转诊自动过期（时限缩短为秒）", "a referral that nobody answers expires, on a shortened clock"
    )
    order = await cast.clinic.get(up.request, "读上转申请 · reads the order")
    number = numbered(CLINIC, now + timedelta(seconds=1))
    again = order | {
        "identifier": [order["identifier"][0] | {"value": number}],
        "code": concept(text="康复评估"),
        "priority": "asap",
        "performer": [TCM_HOSPITAL.reference],
    }
    bare = {name: each for name, each in again.items() if name not in ("id", "meta", "supportingInfo")}
    package = value("package", valueReference={"reference": up.package})
    consent = {"name": "consent", "resource": agreed(patient, TCM_HOSPITAL, calendar)}
    request = {"name": "request", "resource": bare}
    sent = await cast.clinic.invoke(
        "ServiceRequest/$refer", "加急转诊 · an asap referral", request, package, consent, expect=201
    )
    stage.note("等待平台时钟 · waiting for the platform's clock")
    for _ in range(20):
        await asyncio.sleep(0.5)
        task = await cast.clinic.peek(f"Task/{sent['id']}")
        if task["status"] == "cancelled":
            break
    task = await cast.clinic.get(f"Task/{sent['id']}", "读任务 · reads the task")
    code = task["businessStatus"]["coding"][0]["code"]
    stage.check(code == "expired", f"{task['businessStatus']['coding'][0]['display']} · {code}")
