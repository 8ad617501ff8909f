"""What a referral is refused for, with the element at fault, and what only one of several can have (docs/referral-workflow.md)."""

import asyncio
from typing import Any

import pytest

from services.fhir.elements import concept
from services.referral.codes import AFFILIATION_TYPE, CONTRACT_TERM, DIRECTION, INPUT, SERVICE_CATEGORY
from services.referral.states import state_of
from tests.builders import encounter
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene, given, now, reference

Json = dict[str, Any]


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


async def test_without_a_relation_nothing_is_referred(scene: Scene) -> None:
    scene.organizations[1] = (await Scene.set(scene.placer)).organizations[1]
    answer = await scene.placer.post("/", scene.submission())
    assert_outcome(answer, 403, "forbidden", "Bundle.entry[3].resource.owner")


async def test_an_agreement_of_one_direction_permits_no_other(fhir: Fhir) -> None:
    term = {
        "type": concept(CONTRACT_TERM, "direction"),
        "offer": {"answer": [{"valueCoding": {"system": DIRECTION, "code": "down"}}]},
    }
    scene = await Scene.set(fhir, term=[term])
    assert_outcome(await scene.placer.post("/", scene.submission()), 403, "forbidden")


async def test_a_missing_section_is_named_by_its_path(scene: Scene) -> None:
    answer = await scene.placer.post("/", scene.submission(package=scene.package(but="48765-2")))
    outcome = assert_outcome(answer, 422, "business-rule")
    assert "code='48765-2'" in outcome["issue"][0]["expression"][0]
    assert "过敏史" in outcome["issue"][0]["details"]["text"]


async def test_old_vital_signs_are_refused(scene: Scene) -> None:
    answer = await scene.placer.post("/", scene.submission(package=scene.package(taken=now(hours=-30))))
    assert_outcome(answer, 422, "business-rule")


async def test_without_consent_or_with_one_for_another_nothing_is_sent(scene: Scene) -> None:
    bundle = scene.submission()
    bundle["entry"][1]["resource"] = scene.consent("somebody-else")
    assert_outcome(
        await scene.placer.post("/", bundle), 422, "business-rule", "Bundle.entry[3].resource.input[1].value"
    )
    waived = [
        given(INPUT, "package", valueReference=reference(scene.submission()["entry"][0]["fullUrl"])),
        given(INPUT, "emergency-waiver", valueString="昏迷"),
    ]
    bundle = scene.submission(inputs=waived)
    waived[0]["valueReference"] = reference(bundle["entry"][0]["fullUrl"])
    assert_outcome(
        await scene.placer.post("/", bundle), 422, "business-rule", "Bundle.entry[3].resource.input[1].value"
    )
    stat = scene.submission(scene.request(priority="stat"), inputs=waived)
    waived[0]["valueReference"] = reference(stat["entry"][0]["fullUrl"])
    assert (await scene.placer.post("/", stat)).status_code == 200


async def test_only_a_licensed_physician_of_the_placer_refers(scene: Scene) -> None:
    for person in (scene.administrator(scene.organizations[0]), scene.physician(scene.organizations[1])):
        answer = await scene.placer.post("/", scene.submission(scene.request(requester=reference(person))))
        assert_outcome(answer, 422, "business-rule", "Bundle.entry[2].resource.requester")


async def test_a_twin_is_refused_by_its_name_and_free_again_when_the_first_has_ended(scene: Scene) -> None:
    code = {"text": "心内科住院"}
    task = await scene.submitted(scene.request(code=code))
    answer = await scene.placer.post("/", scene.submission(scene.request(code=code)))
    outcome = assert_outcome(answer, 409, "conflict")
    assert task["focus"]["reference"] in outcome["issue"][0]["diagnostics"]
    await scene.done(task, "withdraw")
    await scene.submitted(scene.request(code=code))


async def test_of_twins_at_once_one_is_made(scene: Scene) -> None:
    code = {"text": "骨科住院"}
    sent = [scene.submission(scene.request(code=code)) for _ in range(6)]
    answers = await asyncio.gather(*(scene.placer.post("/", each) for each in sent))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 5]


async def test_a_referral_number_is_used_once(scene: Scene) -> None:
    task = await scene.submitted()
    number = (await scene.order_of(task))["identifier"]
    answer = await scene.placer.post("/", scene.submission(scene.request(identifier=number)))
    assert_outcome(answer, 409, "conflict", "Bundle.entry[2].resource.identifier")


async def test_a_companion_of_another_patient_is_named(scene: Scene) -> None:
    task = await scene.at("accepted")
    mine = scene.patient
    other = await scene.meet()
    stay = encounter(other, serviceProvider=task["owner"])
    scene.patient = mine
    theirs = await scene.placer.created(stay)
    output = [
        *task["output"],
        given(
            "https://yiyang.example/fhir/CodeSystem/referral-output",
            "encounter",
            valueReference=reference(f"Encounter/{theirs['id']}"),
        ),
    ]
    answer = await scene.act(task, "arrive", entries=[], output=output)
    assert_outcome(answer, 422, "business-rule", f"Bundle.entry[0].resource.output[{len(output) - 1}].value")


async def test_parties_and_inputs_stay(scene: Scene) -> None:
    task = await scene.submitted()
    for change in ({"owner": reference("Organization/x")}, {"priority": "stat"}, {"input": task["input"][:1]}):
        answer = await scene.act(task, "receive", **change)
        assert_outcome(answer, 422, "business-rule", f"Bundle.entry[0].resource.{next(iter(change))}")


async def test_of_siblings_one_accepts_and_the_others_are_not_selected(scene: Scene) -> None:
    order = scene.request(performer=[reference(f"Organization/{each}") for each in scene.organizations[1:]])
    first = await scene.submitted(order)
    bundle = scene.submission(order, owner=2)
    entries = [bundle["entry"][1], bundle["entry"][3]]
    entries[1]["resource"] |= {
        "focus": first["focus"],
        "input": first["input"][:1] + entries[1]["resource"]["input"][1:],
    }
    second = await scene.read(await scene.placer.post("/", bundle | {"entry": entries}))
    answers = await asyncio.gather(scene.act(first, "accept"), scene.act(second, "accept", by=scene.other))
    codes = sorted(each.status_code for each in answers)
    assert codes[0] == 200
    assert codes[1] in (409, 412)
    states = {state_of(await scene.current(each)) for each in (first, second)}
    assert states == {"accepted", "not-selected"}
    assert (await scene.order_of(first))["status"] == "active"


async def test_an_elder_is_at_one_place(scene: Scene) -> None:
    first, second = await scene.at("accepted"), await scene.submitted(owner=2)
    second = await scene.done(second, "accept", by=scene.other)
    await scene.done(first, "arrive")
    assert_outcome(await scene.act(second, "arrive", by=scene.other), 409, "conflict")


async def test_of_many_who_want_the_last_bed_one_has_it(scene: Scene) -> None:
    tasks = []
    for _ in range(6):
        await scene.meet()
        tasks.append(await scene.at("accepted"))
    answers = await asyncio.gather(*(scene.act(each, "schedule") for each in tasks))
    assert sorted(each.status_code for each in answers) == [200, *[409] * 5]
    won = next(task for task, each in zip(tasks, answers, strict=True) if each.status_code == 200)
    lost = next(task for task, each in zip(tasks, answers, strict=True) if each.status_code == 409)
    await scene.done(await scene.current(won), "withdraw")
    await scene.done(lost, "schedule")


async def test_every_transition_has_one_provenance(scene: Scene) -> None:
    task = await scene.at("treating")
    found = (await scene.placer.get(f"/Provenance?target=Task/{task['id']}")).json()
    acts = [e["resource"]["activity"]["coding"][0]["code"] for e in found.get("entry", ())]
    assert sorted(acts) == ["accept", "arrive", "submit", "treat"]


async def test_the_request_is_the_placers_until_it_is_sent_and_nobodys_after(scene: Scene) -> None:
    draft = await scene.placer.created(scene.request(status="draft"))
    path = f"/ServiceRequest/{draft['id']}"
    assert_outcome(await scene.placer.put(path, draft | {"priority": "asap"}), 428, "required")
    edited = await scene.placer.put(path, draft | {"priority": "asap"}, if_match='W/"1"')
    assert edited.status_code == 200, edited.text
    sent = await scene.placer.put(path, edited.json() | {"status": "active"}, if_match='W/"2"')
    assert_outcome(sent, 422, "business-rule", "ServiceRequest.status")
    assert_outcome(
        await scene.placer.post("/ServiceRequest", scene.request()), 422, "business-rule", "ServiceRequest.status"
    )
    task = await scene.submitted()
    order = await scene.order_of(task)
    path, version = f"/ServiceRequest/{order['id']}", f'W/"{order["meta"]["versionId"]}"'
    changed = await scene.placer.put(path, order | {"priority": "asap"}, if_match=version)
    assert_outcome(changed, 422, "business-rule", "ServiceRequest.priority")
    revoked = await scene.placer.put(path, order | {"status": "revoked"}, if_match=version)
    assert_outcome(revoked, 422, "business-rule", "ServiceRequest.status")
    rejected = await scene.done(task, "reject")
    order = await scene.order_of(rejected)
    done = await scene.placer.put(path, order | {"status": "revoked"}, if_match=f'W/"{order["meta"]["versionId"]}"')
    assert done.status_code == 200, done.text


async def test_other_tasks_and_requests_are_free(scene: Scene) -> None:
    free = {"resourceType": "Task", "status": "completed", "intent": "order", "for": reference(scene.patient)}
    made = await scene.placer.created(free)
    assert (await scene.placer.put(f"/Task/{made['id']}", made | {"status": "failed"})).status_code == 200
    order = {
        "resourceType": "ServiceRequest",
        "status": "completed",
        "intent": "order",
        "subject": reference(scene.patient),
    }
    await scene.placer.created(order | {"category": [concept(SERVICE_CATEGORY, "consult")]})


async def test_an_agreement_is_written_by_a_party_to_it_alone(scene: Scene) -> None:
    """Else anybody could let two institutions refer to each other."""
    one, two, other = scene.organizations
    forged = scene.contract(one, two)
    assert_outcome(await scene.other.post("/Contract", forged), 403, "forbidden", "Contract.signer")
    mine = await scene.fulfiller.created(forged)
    taken_over = mine | {"term": []}
    del taken_over["term"]
    answer = await scene.other.put(f"/Contract/{mine['id']}", taken_over | {"status": "revoked"})
    assert answer.status_code in (403, 404), answer.text
    ended = await scene.placer.put(f"/Contract/{mine['id']}", mine | {"status": "terminated"}, if_match='W/"1"')
    assert ended.status_code in (200, 404), ended.text
    assert (await scene.other.post("/Contract", scene.contract(one, other))).status_code == 201


async def test_a_consortium_is_told_by_its_head_or_its_member_alone(scene: Scene) -> None:
    head, member, _ = scene.organizations
    said = {
        "resourceType": "OrganizationAffiliation", "active": True, "code": [concept(AFFILIATION_TYPE, "consortium")],
        "organization": reference(f"Organization/{head}"), "participatingOrganization": reference(f"Organization/{member}"),
    }  # fmt: skip
    element = "OrganizationAffiliation.organization"
    assert_outcome(await scene.other.post("/OrganizationAffiliation", said), 403, "forbidden", element)
    made = await scene.fulfiller.created(said)
    path = f"/OrganizationAffiliation/{made['id']}"
    assert_outcome(await scene.other.put(path, made | {"active": False}), 403, "forbidden", element)
    assert_outcome(await scene.other.delete(path), 403, "forbidden", element)
    assert (await scene.placer.put(path, made | {"active": False})).status_code == 200
