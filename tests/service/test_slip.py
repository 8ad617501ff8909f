"""Task/$slip: the slip of a referral for who may read it now: docs/adr/0029"""

import base64
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pypdf
import pytest

from gateway.keys import KeyPair
from services.kit.peers import Peers
from tests import slips
from tests.builders import batch, entry
from tests.front import Front
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.referrals import Scene

Json = dict[str, Any]

HTML = "text/html; charset=utf-8"


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


def institution(fhir: Fhir) -> Json:
    return {"reference": f"Organization/{fhir.caller.organization}"}


def is_back(output: Json) -> bool:
    return bool(output["type"]["coding"][0]["code"] == "down-request")


async def refer(scene: Scene, text: str = "心力衰竭？") -> str:
    """A submitted referral, as its Task."""
    package = scene.package()
    note = package["entry"][0]["resource"]
    first = next(each for each in note["section"] if each["code"]["coding"][0]["code"] == "11450-4")
    first["text"] = slips.section("11450-4", "初步印象", f"<p>{text}</p>")["text"]
    note["title"] = "转诊单"
    return f"Task/{(await scene.submitted(package=package))['id']}"


async def test_both_sides_have_the_slip_on_paper(scene: Scene) -> None:
    task = await refer(scene)
    for side in (scene.placer, scene.fulfiller):
        answer = await side.get(f"/{task}/$slip")
        assert answer.status_code == 200, answer.content
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"].startswith('inline; filename="slip-')
        assert answer.headers["cache-control"] == "private, no-store"
        told = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
        assert "双向转诊（转出）单" in told
        assert "乌有福" in told
        assert "心力衰竭？" in told
        assert "不作为就诊凭证" not in told


async def test_the_client_says_in_which_form(scene: Scene) -> None:
    task = await refer(scene)
    page = await scene.placer.get(f"/{task}/$slip?_format=text/html")
    assert page.headers["content-type"] == HTML
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await scene.placer.get(f"/{task}/$slip", accept="text/html")).text.startswith("<!DOCTYPE html>")
    assert (await scene.placer.get(f"/{task}/$slip?_format=pdf")).content.startswith(b"%PDF-")
    assert_outcome(await scene.placer.get(f"/{task}/$slip?_format=json"), 406, "not-supported")
    assert_outcome(await scene.placer.get(f"/{task}/$slip", accept="application/fhir+json"), 406, "not-supported")
    assert_outcome(await scene.placer.get(f"/{task}/$slip?color=red"), 400, "not-supported")


async def test_other_operations_still_answer_json_only(scene: Scene) -> None:
    task = await refer(scene)
    assert_outcome(await scene.placer.get(f"/{task}/$meta?_format=text/html"), 406, "not-supported")


async def test_the_way_back_has_a_form_of_its_own(scene: Scene) -> None:
    treating = await scene.at("treating")
    offered = await scene.done(treating, "offer-back")
    back = next(each["valueReference"]["reference"] for each in offered["output"] if is_back(each))
    draft = scene.task(back, "draft", requester=offered["owner"], owner=offered["requester"])
    task = await scene.fulfiller.created(draft)
    page = (await scene.fulfiller.get(f"/Task/{task['id']}/$slip?_format=html")).text
    assert "双向转诊（回转）单" in page
    assert "不作为就诊凭证" in page, "a draft is no pass"


async def test_the_slip_of_the_way_up_has_what_came_back(scene: Scene) -> None:
    task = await scene.at("treating")
    entries = scene.accompanied(task, "feedback")
    note = entries[1][0]["resource"]
    note["section"][0]["text"] = slips.section("11535-2", "诊断结果", "<p>慢性心力衰竭急性加重</p>")["text"]
    before = await scene.placer.get(f"/Task/{task['id']}/$slip?_format=text/html")
    assert "回转" not in before.text
    answer = await scene.act(task, "feedback", entries=entries[1], **entries[0])
    assert answer.status_code == 200, answer.text
    for side in (scene.placer, scene.fulfiller):
        page = await side.get(f"/Task/{task['id']}/$slip?_format=text/html")
        assert "双向转诊（回转）单" in page.text
        assert "慢性心力衰竭急性加重" in page.text


async def test_nobody_else_learns_that_there_is_one(scene: Scene) -> None:
    task = await refer(scene)
    stranger = scene.placer.as_(organization="slip-stranger")
    assert_outcome(await stranger.get(f"/{task}/$slip"), 404, "not-found")
    assert_outcome(await scene.placer.get("/Task/no-such-task/$slip"), 404, "not-found")


async def test_scopes_have_to_reach_what_it_is_made_of(scene: Scene) -> None:
    task = await refer(scene)
    narrow = scene.placer.as_(scopes=("system/Task.rs", "system/ServiceRequest.rs"))
    assert_outcome(await narrow.get(f"/{task}/$slip"), 403, "forbidden")


async def test_a_task_that_is_no_referral_has_none(scene: Scene) -> None:
    task = await scene.placer.created({"resourceType": "Task", "status": "requested", "intent": "order"})
    assert_outcome(await scene.placer.get(f"/Task/{task['id']}/$slip"), 422, "processing", "Task.code")


async def test_a_package_out_of_reach_makes_no_empty_slip(scene: Scene) -> None:
    """Once it has said no, the fulfiller still sees its Task, and the package no more."""
    task = f"Task/{(await scene.at('rejected'))['id']}"
    assert (await scene.fulfiller.get(f"/{task}")).status_code == 200
    assert_outcome(await scene.fulfiller.get(f"/{task}/$slip"), 404, "not-found")
    assert "不作为就诊凭证" in (await scene.placer.get(f"/{task}/$slip?_format=html")).text


async def test_who_will_receive_her_stands_on_it_once_accepted(scene: Scene) -> None:
    task = await scene.at("accepted")
    assert "单位 心内科 科室" in (await scene.placer.get(f"/Task/{task['id']}/$slip?_format=html")).text


async def test_the_patient_learns_who_printed_it(scene: Scene) -> None:
    task = await refer(scene)
    await scene.fulfiller.get(f"/{task}/$slip")
    patient = (await scene.placer.get(f"/{task}")).json()["for"]["reference"]
    person = scene.placer.as_(practitioner=patient, organization="portal", purpose="PATRQT")
    newest = (await person.get(f"/{patient}/$disclosures")).json()["entry"]
    events = [entry["resource"] for entry in newest if entry["resource"]["subtype"][0]["code"] == "operation"]
    told = [e for e in events if {"reference": task} in [entity.get("what") for entity in e["entity"]]]
    assert [institution(scene.fulfiller) in [agent.get("who") for agent in e["agent"]] for e in told] == [True]


async def test_what_the_sender_wrote_cannot_act(scene: Scene) -> None:
    task = await refer(scene, text="&lt;script&gt;alert(1)&lt;/script&gt;")
    page = (await scene.fulfiller.get(f"/{task}/$slip?_format=html")).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


async def test_any_document_has_a_page(scene: Scene) -> None:
    task = await refer(scene)
    package = (await scene.placer.get(f"/{task}")).json()["input"][0]["valueReference"]["reference"]
    shown = await scene.fulfiller.get(f"/{package}/$page?_format=html")
    assert shown.headers["content-type"] == HTML
    assert "心力衰竭？" in shown.text
    assert (await scene.placer.get(f"/{package}/$page")).content.startswith(b"%PDF-")
    assert_outcome(await scene.placer.as_(organization="slip-stranger").get(f"/{package}/$page"), 404, "not-found")
    bag = await scene.placer.created({"resourceType": "Bundle", "type": "collection"})
    assert_outcome(await scene.placer.get(f"/Bundle/{bag['id']}/$page"), 422, "processing", "Bundle.type")


async def test_in_a_batch_it_is_a_binary(scene: Scene) -> None:
    task = await refer(scene)
    answer = await scene.placer.post(
        "/", batch(entry("GET", f"{task}/$slip"), entry("GET", f"{task}/$slip?_format=png"))
    )
    found, refused = answer.json()["entry"]
    assert found["resource"]["resourceType"] == "Binary"
    assert found["resource"]["contentType"] == "application/pdf"
    assert base64.b64decode(found["resource"]["data"]).startswith(b"%PDF-")
    assert refused["response"]["status"].startswith("406")


@pytest.fixture
async def door(front: Front, house: Peers) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway in front of the real services."""
    front.clock.advance((datetime.now(UTC) - front.clock.now()).total_seconds())
    async with front.connect(front.replica(house)) as client:
        yield client


async def test_it_comes_through_the_gateway_as_it_is(
    front: Front, keys: KeyPair, door: httpx.AsyncClient, scene: Scene
) -> None:
    await front.register(keys)
    scene.organizations[1] = "clinic"  # whose client it is
    await scene.placer.created(scene.contract(*scene.organizations[:2]))
    task = await refer(scene)
    bearer = await front.bearer(keys, "system/Task.r system/ServiceRequest.r system/Bundle.r")
    paper = await door.get(f"/fhir/{task}/$slip", headers={**bearer, "Accept": "application/pdf"})
    assert paper.status_code == 200, paper.text
    assert paper.content.startswith(b"%PDF-")
    page = await door.get(f"/fhir/{task}/$slip", headers={**bearer, "Accept": "text/html"})
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert page.headers["cache-control"] == "private, no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert_outcome(
        await door.get(f"/fhir/{task}/$slip", headers={**bearer, "Accept": "image/png"}), 406, "not-supported"
    )
    other = await front.bearer(keys, "system/Patient.r")
    assert_outcome(await door.get(f"/fhir/{task}/$slip", headers=other), 403, "forbidden")
    assert_outcome(await door.get(f"/fhir/{task}/$slip"), 401, "login")


async def test_it_is_told_of_in_the_capabilities_and_the_description(door: httpx.AsyncClient) -> None:
    types = (await door.get("/fhir/metadata")).json()["rest"][0]["resource"]
    task = next(each for each in types if each["type"] == "Task")
    assert {"slip", "meta"} <= {operation["name"] for operation in task["operation"]}
    described = (await door.get("/openapi.json")).json()["paths"]["/fhir/Task/{id}/$slip"]["get"]
    assert set(described["responses"]["200"]["content"]) == {"application/pdf", "text/html"}
