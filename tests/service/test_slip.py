"""Task/$slip: the slip of a referral for who may read it now: docs/adr/0029"""

import base64
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pypdf
import pytest

from gateway.keys import KeyPair
from services.kit.peers import Peers
from tests import slips
from tests.builders import batch, coded, create, entry, transaction, urn
from tests.front import Front
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.ungoverned import house

__all__ = ["house"]

Json = dict[str, Any]

HTML = "text/html; charset=utf-8"


@pytest.fixture
def clinic(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"slip-clinic-{uuid4().hex[:6]}")


@pytest.fixture
def hospital(clinic: Fhir) -> Fhir:
    return clinic.as_(organization=f"slip-hospital-{uuid4().hex[:6]}")


def institution(fhir: Fhir) -> Json:
    return {"reference": f"Organization/{fhir.caller.organization}"}


async def refer(clinic: Fhir, hospital: Fhir, direction: str = "up", text: str = "心力衰竭？") -> str:
    """A referral with its package, as its Task."""
    elder = await clinic.created(slips.elder(id=None))
    patient = f"Patient/{elder['id']}"
    package = slips.package(slips.section("11450-4", "初步印象", f"<p>{text}</p>"), patient=patient, others=(elder,))
    where, order = urn(), urn()
    sent = [{"type": coded(f"{slips.SYSTEM}/referral-input", "package"), "valueReference": {"reference": where}}]
    request = slips.order(direction, patient=patient, supportingInfo=[{"reference": where}])
    task = slips.task(
        "submitted",
        order,
        requester=institution(clinic),
        owner=institution(hospital),
        **{"input": sent, "for": {"reference": patient}},
    )
    made = await clinic.post("/", transaction(create(package, where), create(request, order), create(task)))
    assert made.status_code == 200, made.text
    name: str = made.json()["entry"][-1]["response"]["location"].partition("/_history")[0]
    return name


async def test_both_sides_have_the_slip_on_paper(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    for side in (clinic, hospital):
        answer = await side.get(f"/{task}/$slip")
        assert answer.status_code == 200, answer.content
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"].startswith('inline; filename="slip-')
        assert answer.headers["cache-control"] == "private, no-store"
        told = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages)
        assert "双向转诊（转出）单" in told
        assert "王秀英" in told
        assert "心力衰竭？" in told
        assert "不作为就诊凭证" not in told


async def test_the_client_says_in_which_form(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    page = await clinic.get(f"/{task}/$slip?_format=text/html")
    assert page.headers["content-type"] == HTML
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await clinic.get(f"/{task}/$slip", accept="text/html")).text.startswith("<!DOCTYPE html>")
    assert (await clinic.get(f"/{task}/$slip?_format=pdf")).content.startswith(b"%PDF-")
    assert_outcome(await clinic.get(f"/{task}/$slip?_format=json"), 406, "not-supported")
    assert_outcome(await clinic.get(f"/{task}/$slip", accept="application/fhir+json"), 406, "not-supported")
    assert_outcome(await clinic.get(f"/{task}/$slip?color=red"), 400, "not-supported")


async def test_other_operations_still_answer_json_only(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    assert_outcome(await clinic.get(f"/{task}/$meta?_format=text/html"), 406, "not-supported")


async def test_the_way_back_has_a_form_of_its_own(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(hospital, clinic, "down")
    assert "双向转诊（回转）单" in (await clinic.get(f"/{task}/$slip?_format=html")).text


async def test_nobody_else_learns_that_there_is_one(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    stranger = clinic.as_(organization="slip-stranger")
    assert_outcome(await stranger.get(f"/{task}/$slip"), 404, "not-found")
    assert_outcome(await clinic.get("/Task/no-such-task/$slip"), 404, "not-found")


async def test_scopes_have_to_reach_what_it_is_made_of(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    narrow = clinic.as_(scopes=("system/Task.rs", "system/ServiceRequest.rs"))
    assert_outcome(await narrow.get(f"/{task}/$slip"), 403, "forbidden")


async def test_a_task_that_is_no_referral_has_none(clinic: Fhir) -> None:
    task = await clinic.created({"resourceType": "Task", "status": "requested", "intent": "order"})
    assert_outcome(await clinic.get(f"/Task/{task['id']}/$slip"), 422, "processing", "Task.code")


async def test_a_package_out_of_reach_makes_no_empty_slip(clinic: Fhir, hospital: Fhir) -> None:
    """Once it has said no, the hospital still sees its Task, and the package no more."""
    task = await refer(clinic, hospital)
    current = (await hospital.get(f"/{task}")).json()
    changed = current | {"status": "rejected", "businessStatus": coded(f"{slips.SYSTEM}/referral-business-status", "rejected"),
                         "statusReason": {"text": "无床位"}}  # fmt: skip
    assert (await hospital.put(f"/{task}", changed)).status_code == 200
    assert (await hospital.get(f"/{task}")).status_code == 200
    assert_outcome(await hospital.get(f"/{task}/$slip"), 404, "not-found")
    assert "不作为就诊凭证" in (await clinic.get(f"/{task}/$slip?_format=html")).text


async def test_the_patient_learns_who_printed_it(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    await hospital.get(f"/{task}/$slip")
    patient = (await clinic.get(f"/{task}")).json()["for"]["reference"]
    person = clinic.as_(practitioner=patient, organization="portal", purpose="PATRQT")
    newest = (await person.get(f"/{patient}/$disclosures")).json()["entry"]
    events = [entry["resource"] for entry in newest if entry["resource"]["subtype"][0]["code"] == "operation"]
    told = [e for e in events if {"reference": task} in [entity.get("what") for entity in e["entity"]]]
    assert [institution(hospital) in [agent.get("who") for agent in e["agent"]] for e in told] == [True]


async def test_what_the_sender_wrote_cannot_act(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital, text="&lt;script&gt;alert(1)&lt;/script&gt;")
    page = (await hospital.get(f"/{task}/$slip?_format=html")).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


async def test_any_document_has_a_page(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    package = (await clinic.get(f"/{task}")).json()["input"][0]["valueReference"]["reference"]
    shown = await hospital.get(f"/{package}/$page?_format=html")
    assert shown.headers["content-type"] == HTML
    assert "心力衰竭？" in shown.text
    assert (await clinic.get(f"/{package}/$page")).content.startswith(b"%PDF-")
    assert_outcome(await clinic.as_(organization="slip-stranger").get(f"/{package}/$page"), 404, "not-found")
    bag = await clinic.created({"resourceType": "Bundle", "type": "collection"})
    assert_outcome(await clinic.get(f"/Bundle/{bag['id']}/$page"), 422, "processing", "Bundle.type")


async def test_in_a_batch_it_is_a_binary(clinic: Fhir, hospital: Fhir) -> None:
    task = await refer(clinic, hospital)
    answer = await clinic.post("/", batch(entry("GET", f"{task}/$slip"), entry("GET", f"{task}/$slip?_format=png")))
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
    front: Front, keys: KeyPair, door: httpx.AsyncClient, fhir: Fhir, hospital: Fhir
) -> None:
    await front.register(keys)
    task = await refer(Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization="clinic"), hospital)
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
