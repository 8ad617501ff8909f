"""A monitor warns: from the reading to the alert, to who answers it, to the referral that it leads to (docs/monitoring.md)."""

import asyncio
import time
from typing import Final

from yiyang.story.elements import Calendar, Json, concept, quantity, reference
from yiyang.story.institutions import HOME
from yiyang.story.referral import value
from yiyang.story.stage import Player, Stage, StoryError, resources
from yiyang.story.terms import category, loinc, meta

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
    alert, seconds = await _alert(home, patient)
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


async def _alert(home: Player, patient: str) -> tuple[Json, float]:
    """Look until it is there, and how long that took."""
    began = time.monotonic()
    code = "https://yiyang.example/fhir/CodeSystem/alert-rule|blood-pressure-critical"
    while time.monotonic() - began < PATIENCE_SECONDS:
        found = resources(await home.peek(f"DetectedIssue?patient={patient}&code={code}"))
        if found:
            return found[0], time.monotonic() - began
        await asyncio.sleep(0.1)
    raise StoryError("预警未产生 · no alert was raised")


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
