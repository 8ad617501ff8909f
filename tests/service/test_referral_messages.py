"""$process-message takes the four events of the Chinese inpatient-referral guide (docs/referral-workflow.md)."""

from typing import Any

import pytest

from gateway.authorize import read_interaction
from services.fhir.elements import codes_in
from services.referral.codes import REJECT_REASON
from services.referral.states import state_of
from tests.builders import encounter
from tests.house import Fhir, Response
from tests.matchers import assert_outcome
from tests.referrals import NUMBER, Scene, now, reference

Json = dict[str, Any]
EVENTS = "http://CodeSystem.hl7fhir.cn/activity-code"


@pytest.fixture
async def scene(fhir: Fhir) -> Scene:
    return await Scene.set(fhir)


async def send(fhir: Fhir, event: str, *resources: Json, **header: Any) -> Response:
    first = {
        "resourceType": "MessageHeader", "id": "m1", "eventCoding": {"system": EVENTS, "code": event},
        "source": {"endpoint": "http://his.example.org"},
    } | header  # fmt: skip
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{n:012d}", "resource": r}
        for n, r in enumerate((first, *resources))
    ]
    return await fhir.post(
        "/MessageHeader/$process-message", {"resourceType": "Bundle", "type": "message", "entry": entries}
    )


def task_of(answer: Response) -> Json:
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    assert entries[0]["resource"]["response"] == {"identifier": "m1", "code": "ok"}
    task: Json = entries[1]["resource"]
    return task


def response(number: str, **changes: Any) -> Json:
    return {
        "resourceType": "AppointmentResponse", "identifier": [{"system": NUMBER, "value": number}],
        "appointment": {"display": "转诊"}, "participantStatus": "accepted", "actor": {"display": "患者"},
    } | changes  # fmt: skip


async def test_the_four_events_carry_a_referral_from_asking_to_arrival(scene: Scene) -> None:
    order, owner = scene.request(), scene.organizations[1]
    number = order["identifier"][0]["value"]
    task = task_of(await send(scene.placer, "C01001", order, scene.package(), scene.consent(owner)))
    assert state_of(task) == "submitted"
    accepting = response(number, actor=reference(scene.physician(owner)), start=now(), end=now(hours=4))
    ward = {"name": "department", "valueReference": reference(f"Organization/{owner}-ward")}
    more = {"resourceType": "Parameters", "parameter": [ward]}
    task = task_of(await send(scene.fulfiller, "C01002", accepting, more))
    assert state_of(task) == "accepted"
    stay = encounter(scene.patient, serviceProvider=task["owner"])
    task = task_of(await send(scene.fulfiller, "C01003", response(number), stay))
    assert state_of(task) == "arrived"
    header = {"focus": [reference(f"Task/{task['id']}")]}
    task = task_of(await send(scene.placer, "C01004", scene.package(), **header))
    assert (state_of(task), len(task["input"])) == ("arrived", 3)


async def test_a_declined_response_rejects(scene: Scene) -> None:
    order = await scene.order_of(await scene.submitted())
    number = order["identifier"][0]["value"]
    declined = response(number, participantStatus="declined", comment="本周无床")
    task = task_of(await send(scene.fulfiller, "C01002", declined))
    assert (state_of(task), codes_in(task["statusReason"], REJECT_REASON)) == ("rejected", ("other",))


async def test_what_is_no_event_or_names_no_referral_is_refused(scene: Scene) -> None:
    assert_outcome(await send(scene.placer, "C09999"), 422, "not-supported", "MessageHeader.event")
    assert_outcome(await send(scene.fulfiller, "C01003", response("T000")), 400, "value")
    task = await scene.submitted()
    header = {"focus": [reference(f"Task/{task['id']}")]}
    assert_outcome(await send(scene.fulfiller, "C01003", **header), 422, "business-rule")


def test_the_gateway_leads_it_to_the_owner_of_message_headers() -> None:
    found = read_interaction("POST", "$process-message")
    assert (found.type, found.path, found.letters) == ("MessageHeader", "MessageHeader/$process-message", "")
