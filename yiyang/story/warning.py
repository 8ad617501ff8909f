"""A monitor warns: from the reading to the alert, to who answers it, to the referral that it leads to (docs/monitoring.md)."""

import asyncio
import time
from typing import Final

from yiyang.story.elements import Calendar, Json, concept, quantity, reference
from yiyang.story.institutions import HOME
from yiyang.story.referral import value
from yiyang.story.stage import Player, Stage, StoryError, resources
from yiyang.story.terms import CANONICAL, category, local, loinc, meta

PATIENCE_SECONDS: Final = 10


async def warn(stage: Stage, home: Player, patient: str) -> Json:
    """A reading without a unit is flagged, a critical one raises an alert within a second, the nurse answers. The DetectedIssue."""
    stage.chapter("血压计报警，护士接警", "the monitor warns, and the nurse answers")
    device = await home.post("Device", _device(patient), "登记血压计 · the device of her own")
    cuff = f"Device/{device['id']}"
    await home.post(
        "Observation", _pressure(patient, cuff, None), "读数没有单位，入库并标记 · without a unit: stored, and flagged"
    )
    await home.post("Observation", _pressure(patient, cuff, 192), "收缩压 192 mmHg · a critical reading")
    alert, seconds = await _alert(home, patient, "blood-pressure-critical")
    stage.check(
        alert["severity"] == "high", f"{alert['code']['text']}，{seconds:.1f} 秒内可见 · visible within that time"
    )
    task = resources(await home.get(f"Task?owner=Organization/{HOME.id}&patient={patient}&code=alert&status=requested", "护士工作单 · the nurse's worklist"))  # fmt: skip
    deadline = next(each for each in task if each["focus"]["reference"] == f"DetectedIssue/{alert['id']}")
    stage.check(
        "restriction" in deadline,
        f"须在 {deadline['restriction']['period']['end'][11:19]} 前接警，否则上报 · else the next one is told",
    )
    seen = value("note", valueString="护士已到床旁，复测 190/112")
    return await home.invoke(
        f"DetectedIssue/{alert['id']}/$acknowledge", "接警，逐级上报停止 · acknowledged, the chain stops", seen
    )


async def settle(stage: Stage, home: Player, alert: Json) -> None:
    """The referral is under way: that is what came of it, and how long it took."""
    came = (value("outcome", valueCode="referred"), value("note", valueString="家庭医生巡诊后上转医院"))
    done = await home.invoke(f"DetectedIssue/{alert['id']}/$resolve", "处置完成：已转诊 · resolved: referred", *came)
    stage.check(done["status"] == "final", "预警闭环 · the alert is closed")


async def call_for_help(stage: Stage, home: Player, patient: str) -> None:
    """She presses the button at night; somebody comes, and how soon is measured."""
    stage.chapter("夜间按下呼叫器，接警、到场、处置", "she presses the button: answered, arrived, resolved")
    await home.post("Communication", _call(patient), "紧急呼叫 · the call for help")
    alert, _ = await _alert(home, patient, "sos")
    path = f"DetectedIssue/{alert['id']}"
    await home.invoke(f"{path}/$acknowledge", "值班护士接警 · acknowledged")
    await home.invoke(f"{path}/$arrive", "护理员到场 · somebody is there")
    came = (value("outcome", valueCode="treated"), value("note", valueString="口渴起身，协助饮水，无外伤"))
    await home.invoke(f"{path}/$resolve", "处置完成 · resolved", *came)
    task = resources(
        await home.get(f"Task?patient={patient}&code=sos", "派单任务，响应用时 · the dispatch, and its times")
    )[0]
    took = {
        each["type"]["coding"][0]["code"]: each["valueDuration"]["value"]
        for each in task["output"]
        if "valueDuration" in each
    }
    stage.check(
        task["status"] == "completed",
        f"接警 {took['time-to-acknowledge']:.1f} 秒，到场 {took['time-to-arrive']:.1f} 秒 · seconds to the answer, and to the bedside",
    )


async def _alert(home: Player, patient: str, rule: str) -> tuple[Json, float]:
    """Look until it is there, and how long that took."""
    began = time.monotonic()
    code = f"{CANONICAL}/CodeSystem/alert-rule|{rule}"
    while time.monotonic() - began < PATIENCE_SECONDS:
        found = resources(await home.peek(f"DetectedIssue?patient={patient}&code={code}"))
        if found:
            return found[0], time.monotonic() - began
        await asyncio.sleep(0.1)
    raise StoryError("预警未产生 · no alert was raised")


def _call(patient: str) -> Json:
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept(local("alert-rule", "sos", "紧急呼叫"))],
        "priority": "stat",
        "subject": reference(patient),
        "sent": Calendar.current().ago(0),
        "recipient": [HOME.reference],
    }


def _device(patient: str) -> Json:
    return {
        "resourceType": "Device",
        "status": "active",
        "type": {"text": "电子血压计"},
        "patient": reference(patient),
        "owner": HOME.reference,
    }


def _pressure(patient: str, device: str, systolic: int | None) -> Json:
    """The first one says a number and no unit."""
    bare = {"value": 150}
    return {
        "resourceType": "Observation",
        "meta": meta("yiyang-observation", HOME.id),
        "status": "final",
        "category": [category("vital-signs", "Vital Signs")],
        "code": concept(loinc("8480-6", "收缩压")),
        "subject": reference(patient),
        "effectiveDateTime": Calendar.current().ago(0),
        "performer": [HOME.reference],
        "device": reference(device),
        "valueQuantity": quantity(systolic, "mmHg", "mm[Hg]") if systolic else bare,
    }
