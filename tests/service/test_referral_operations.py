"""Every act of a referral as an operation, from `$refer` to `$acknowledge`, and what an operation refuses (docs/referral-workflow.md)."""

from typing import Any

import pytest

from services.fhir.elements import codes_in
from services.referral.codes import CLOSE_REASON, REJECT_REASON
from services.referral.states import state_of
from tests.builders import composition, encounter, observation
from tests.house import Fhir, Response
from tests.matchers import assert_outcome
from tests.referrals import Scene, moved, now, parameters, reference

Json = dict[str, Any]


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


def part(name: str, **value: Any) -> Json:
    return {"name": name, **value}


async def refer(scene: Scene, **changes: Any) -> Json:
    owner = scene.organizations[1]
    sent = parameters(
        part("request", resource=scene.request(**changes)),
        part("package", resource=scene.package()),
        part("consent", resource=scene.consent(owner)),
    )
    answer = await scene.placer.post("/ServiceRequest/$refer", sent)
    assert answer.status_code == 201, answer.text
    task: Json = answer.json()
    return task


async def operate(scene: Scene, task: Json, act: str, *parts: Json, by: Fhir | None = None) -> Json:
    answer = await invoke(scene, task, act, *parts, by=by)
    assert answer.status_code == 200, (act, answer.text)
    found: Json = answer.json()
    return found


async def invoke(scene: Scene, task: Json, act: str, *parts: Json, by: Fhir | None = None) -> Response:
    return await (by or scene.fulfiller).post(f"/Task/{task['id']}/${act}", parameters(*parts))


def accepted(scene: Scene, owner: int = 1) -> list[Json]:
    organization = scene.organizations[owner]
    return [
        part("department", valueReference=reference(f"Organization/{organization}-ward")),
        part("physician", valueReference=reference(scene.physician(organization))),
    ]


async def test_a_referral_goes_up_and_comes_back_by_operations_alone(scene: Scene) -> None:
    task = await refer(scene)
    assert state_of(task) == "submitted"
    bed = part("bed", valueReference=reference(f"Location/{scene.organizations[1]}-bed"))
    who = part("encounter", resource=encounter(scene.patient, serviceProvider=task["owner"]))
    note = scene.accompanied(task, "feedback")[1][0]["resource"]
    task = await operate(scene, task, "receive")
    task = await operate(scene, task, "ask", part("reason", valueString="请补充心电图"))
    assert task["statusReason"]["text"] == "请补充心电图"
    task = await operate(scene, task, "answer", part("answer", valueString="无异常"), by=scene.placer)
    task = await operate(scene, task, "accept", *accepted(scene))
    task = await operate(
        scene, task, "schedule", part("start", valueString=now(hours=1)), part("end", valueString=now(hours=2)), bed
    )
    vitals = observation(scene.patient, effectiveDateTime=now())
    task = await operate(scene, task, "depart", part("vitals", resource=vitals), by=scene.placer)
    task = await operate(scene, task, "arrive", who, part("identity-verified", valueBoolean=True))
    task = await operate(scene, task, "treat")
    small = composition(scene.patient, scene.physician(scene.organizations[1]))
    task = await operate(scene, task, "interim", part("composition", resource=small))
    task = await operate(scene, task, "pause", part("reason", valueString="外出检查"))
    task = await operate(scene, task, "resume", part("reason", valueString="已返回"))
    back = scene.accompanied(task, "offer-back")[1][0]["resource"]
    task = await operate(scene, task, "offer-back", part("request", resource=back))
    task = await operate(scene, task, "request-cancel", part("reason", valueString="家属要求"), by=scene.placer)
    task = await operate(scene, task, "refuse-cancel", part("reason", valueString="病情不允许"))
    assert state_of(task) == "back-offered"
    task = await operate(scene, task, "feedback", part("composition", resource=note))
    task = await operate(scene, task, "acknowledge", part("follow-up", valueString="三日内随访"), by=scene.placer)
    assert state_of(task) == "closed"
    assert (await scene.order_of(task))["status"] == "completed"
    assert task["meta"]["versionId"] == "17"


async def test_a_rejection_is_readdressed_by_a_new_task_of_the_same_request(scene: Scene) -> None:
    task = await refer(scene)
    refusal = part("reason", valueCode="no-bed")
    rejected = await operate(scene, task, "reject", refusal)
    assert codes_in(rejected["statusReason"], REJECT_REASON) == ("no-bed",)
    owner = scene.organizations[2]
    consent = part("consent", resource=scene.consent(owner))
    answer = await invoke(
        scene,
        task,
        "readdress",
        part("performer", valueReference=reference(f"Organization/{owner}")),
        consent,
        by=scene.placer,
    )
    assert answer.status_code == 201, answer.text
    again = answer.json()
    assert (again["focus"], state_of(again)) == (task["focus"], "submitted")
    assert len(again["input"]) == 2
    accepting = await operate(scene, again, "accept", *accepted(scene, 2), by=scene.other)
    assert state_of(accepting) == "accepted"


async def test_a_referral_ends_on_either_side(scene: Scene) -> None:
    task = await refer(scene)
    task = await operate(scene, task, "withdraw", part("reason", valueString="不去了"), by=scene.placer)
    assert (await scene.order_of(task))["status"] == "revoked"
    task = await scene.at("arrived")
    task = await operate(scene, task, "terminate", part("reason", valueCode="died"))
    assert codes_in(task["statusReason"], CLOSE_REASON) == ("died",)
    task = await scene.at("cancel-requested")
    task = await operate(scene, task, "agree-cancel")
    assert state_of(task) == "terminated"


async def test_four_eyes_void_a_referral(scene: Scene) -> None:
    task = await scene.at("accepted")
    who, why = scene.physician(scene.organizations[0]), part("reason", valueString="录错")
    admin = scene.administrator(scene.organizations[0])
    confirm = part("administrator", valueReference=reference(admin))
    assert_outcome(await invoke(scene, task, "void", confirm, why, by=scene.placer), 422, "business-rule", "Task.input")
    task = await operate(scene, task, "request-void", part("who", valueReference=reference(who)), why, by=scene.placer)
    same = part("administrator", valueReference=reference(who))
    assert (await invoke(scene, task, "void", same, why, by=scene.placer)).status_code == 422
    task = await operate(scene, task, "void", confirm, why, by=scene.placer)
    assert (state_of(task), task["status"]) == ("voided", "entered-in-error")
    assert (await scene.fulfiller.get(f"/Task/{task['id']}")).status_code == 404


async def test_what_is_not_open_is_refused_with_what_is(scene: Scene) -> None:
    task = await refer(scene)
    outcome = assert_outcome(await invoke(scene, task, "treat"), 422, "business-rule", "Task.businessStatus")
    said = outcome["issue"][0]
    for act in ("receive", "accept", "reject"):
        assert act in said["diagnostics"]
    assert "同意接收" in said["details"]["text"]
    assert_outcome(await invoke(scene, task, "receive", by=scene.other), 404, "not-found")


async def test_the_acts_open_to_a_caller_are_listed_for_one_task_and_for_a_page(scene: Scene) -> None:
    task, other = await refer(scene), await refer(scene)
    mine = (await scene.fulfiller.get(f"/Task/{task['id']}/$actions")).json()
    named = [p["part"][0]["valueCoding"]["code"] for p in mine["parameter"]]
    assert named == ["receive", "accept", "reject"]
    page = await scene.placer.get(f"/Task/$actions?task={task['id']},{other['id']},unknown")
    tasks = {p["part"][0]["valueReference"]["reference"]: p["part"] for p in page.json()["parameter"]}
    assert set(tasks) == {f"Task/{task['id']}", f"Task/{other['id']}"}
    acts = [each["valueCode"] for each in tasks[f"Task/{task['id']}"][2:]]
    assert acts == ["supplement", "withdraw", "request-void", "void"]
    assert_outcome(await scene.placer.get("/Task/$actions"), 400, "value")


async def test_who_comes_second_is_told_what_the_first_has_done(scene: Scene) -> None:
    task = await refer(scene)
    await operate(scene, task, "receive")
    path, late = f"/Task/{task['id']}", 'W/"1"'
    by_act = await scene.fulfiller.post(f"{path}/$accept", parameters(*accepted(scene)), if_match=late)
    by_put = await scene.fulfiller.put(path, moved(task, "receive"), if_match=late)
    for answer in (by_act, by_put):
        issues = assert_outcome(answer, 412, "conflict")["issue"]
        (told,) = [each for each in issues if each.get("expression") == ["Task.businessStatus"]]
        assert "已签收" in told["details"]["text"]
        assert "received now, in version 2" in told["diagnostics"]
    assert by_put.headers["etag"] == 'W/"2"'
