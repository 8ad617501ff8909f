"""Her care plan: proposed from the assessment, kept by two authors, made one with the hospital's when she comes back (docs/care-plans.md)."""

from collections.abc import Sequence
from typing import Any

from yiyang.story.elements import Json, reference
from yiyang.story.institutions import HOME
from yiyang.story.referral import value
from yiyang.story.stage import Player, Stage, resources
from yiyang.story.terms import meta


async def propose(stage: Stage, home: Player, patient: str) -> str:
    """What is known of her calls for plans; the team takes them up, and the slower of two authors is told what differs. The CarePlan."""
    stage.chapter("依评估与诊断拟定照护计划", "a care plan from the assessment and the diagnoses")
    of_her = (value("subject", valueString=patient), value("practitioner", valueReference=HOME.member("nurse")))
    shown = await home.invoke("CarePlan/$propose", "拟定：哪些计划，为何 · which plans, and why", *of_her)
    titles = [_value(each, "title") for each in shown["parameter"] if each["name"] == "plan"]
    stage.check(titles, f"评估与诊断指向 · called for: {'、'.join(titles)}")
    store = value("store", valueBoolean=True)
    made = await home.invoke(
        "CarePlan/$propose", "存为草案：计划、目标、小组 · stored as a draft", *of_her, store, expect=201
    )
    draft = await home.get(f"CarePlan/{_plan(made)['id']}", "读草案 · reads the draft")
    active = await home.put(draft | {"status": "active"}, "护士启用计划 · the nurse makes it active")
    later = active | {
        "activity": [each | {"detail": each["detail"] | {"status": "in-progress"}} for each in active["activity"]]
    }
    await home.put(later, "护理员开始执行 · the caregiver begins")
    refused = await home.put(active, "以旧版本再写，被拒 · a stale version is refused", expect=412)
    told = refused["issue"][-1]["details"]["text"].partition(" · ")[0]
    stage.check(len(refused["issue"]) > 1, f"逐项说明差异，如 · each difference is told: {told}")
    return f"CarePlan/{active['id']}"


async def reconcile(
    stage: Stage, home: Player, patient: str, own: str, request: str, lines: Sequence[str]
) -> tuple[str, str]:
    """The hospital's plan and hers become one. The CarePlan and the List of medication, which close the way back."""
    search = f"CarePlan?patient={patient}&intent=proposal&_sort=-_lastUpdated"
    proposal = resources(await home.get(search, "医院的出院建议 · what the hospital proposes"))[0]
    active = f"MedicationStatement?patient={patient}&status=active"
    taken = resources(await home.get(active, "在用药品 · what she takes by the record"))
    here = [each for each in taken if each.get("meta", {}).get("source") == meta("", HOME.id)["source"]]
    parts = [
        value("subject", valueString=patient),
        value("practitioner", valueReference=HOME.member("nurse")),
        value("discharge", valueString=f"CarePlan/{proposal['id']}"),
        value("home", valueString=own),
        value("request", valueString=request),
        *(value("homeMedication", valueReference=reference(f"MedicationStatement/{each['id']}")) for each in here),
        *(value("dischargeMedication", valueReference=reference(each)) for each in lines),
    ]
    shown = await home.invoke("CarePlan/$reconcile", "两份计划逐条比对 · compared line by line", *parts)
    found = [each for each in shown["parameter"] if each["name"] == "line"]
    open_ = [_value(each, "id") for each in found if not _value(each, "isDecided")]
    verdicts = [_value(each, "verdict")["display"] for each in found]
    counted = "、".join(f"{each} {verdicts.count(each)}" for each in dict.fromkeys(verdicts))
    stage.check(found, f"{counted}；须人工决定 {len(open_)} 条 · to be decided by people")
    decisions = [_decision(line) for line in open_]
    commit = value("commit", valueBoolean=True)
    says = "决定后提交：新计划、用药核对、出处 · decided and committed"
    made = await home.invoke("CarePlan/$reconcile", says, *parts, *decisions, commit, expect=201)
    listed = next(each["valueReference"]["reference"] for each in made["parameter"] if each["name"] == "medication")
    return f"CarePlan/{_plan(made)['id']}", listed


def _decision(line: str) -> Json:
    """What the hospital's list leaves out goes on, as the physician has said."""
    parts = [
        value("line", valueString=line),
        value("answer", valueCode="continue"),
        value("note", valueString="电话核实，继续使用"),
    ]
    return {"name": "decision", "part": parts}


def _plan(answer: Json) -> Json:
    plan: Json = next(each["resource"] for each in answer["parameter"] if each["name"] == "carePlan")
    return plan


def _value(part: Json, name: str) -> Any:
    found = next(each for each in part["part"] if each["name"] == name)
    return next(given for key, given in found.items() if key.startswith("value"))
