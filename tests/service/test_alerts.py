"""From a reading to an alert, and to who answers it: each kind of rule, its boundary, hysteresis, quiet hours, the chain (docs/monitoring.md)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.care.alerts.codes import ALERT_OUTPUT, ALERT_RULE
from services.care.alerts.course import COURSE, course_of, with_course
from services.fhir.interactions import prepare
from tests.builders import CHINA, coded, observation
from tests.matchers import assert_outcome
from tests.receiver import receiving
from tests.subscriptions import subscription
from tests.ward import COUNTY, HOME, NURSE, Ward, home, ward

__all__ = ["home", "ward"]

Json = dict[str, Any]


def roles(task: Json) -> list[str]:
    return [each["coding"][0]["code"] for each in task["performerType"]]


def outputs(task: Json) -> dict[str, Any]:
    return {
        coding["code"]: next(value for name, value in each.items() if name.startswith("value"))
        for each in task["output"]
        for coding in each["type"]["coding"]
        if coding["system"] == ALERT_OUTPUT
    }


# ---- each kind of rule ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "code", "unit", "below", "at"),
    [
        ("blood-pressure-critical", "8480-6", "mm[Hg]", 179, 180),
        ("blood-pressure-critical", "8462-4", "mm[Hg]", 109, 110),
        ("glucose-high", "14743-9", "mmol/L", 16.6, 16.7),
        ("glucose-low", "14743-9", "mmol/L", 4.0, 3.9),
        ("fever-high", "8310-5", "Cel", 39, 39.1),
    ],
)
async def test_a_threshold_raises_at_its_boundary_and_not_before(
    ward: Ward, rule: str, code: str, unit: str, below: float, at: float
) -> None:
    await ward.measured(code, below, unit, ago=5)
    assert await ward.alerts() == []
    await ward.measured(code, at, unit)
    alert = await ward.alert()
    assert alert["code"]["coding"][0]["code"] == rule
    assert alert["severity"] == "high"
    assert alert["status"] == "preliminary"


async def test_an_alert_is_an_issue_a_flag_and_a_task_that_name_each_other(ward: Ward) -> None:
    (reading,) = await ward.send(ward.reading("8480-6", 186))
    alert = await ward.alert()
    task, course = await ward.task(alert), course_of(alert)
    flag = (await ward.home.get(f"/{course.flag}")).json()
    assert alert["implicated"] == [{"reference": f"Observation/{reading['id']}"}]
    assert (flag["status"], flag["subject"]["reference"]) == ("active", ward.elder)
    assert (task["status"], task["priority"], task["owner"]["reference"]) == (
        "requested",
        "urgent",
        f"Organization/{HOME}",
    )
    assert task["focus"] == {"reference": f"DetectedIssue/{alert['id']}"}
    assert roles(task) == ["nurse"]
    assert await ward.found(f"/Task?owner=Organization/{HOME}&patient={ward.elder}&code=alert&status=requested") == [
        task
    ]


async def test_a_heart_rate_is_too_high_when_it_lasts(ward: Ward) -> None:
    for ago in (12, 8, 4):
        await ward.measured("8867-4", 112, "/min", ago)
    assert await ward.alerts() == []
    await ward.measured("8867-4", 108, "/min")
    assert len((await ward.alert("heart-rate-high"))["implicated"]) == 4


async def test_a_weight_that_rises_fast_is_a_trend(ward: Ward) -> None:
    await ward.measured("29463-7", 56, "kg", ago=2880)
    await ward.measured("29463-7", 57.9, "kg", ago=60)
    assert await ward.alerts() == []
    await ward.measured("29463-7", 58, "kg")
    assert (await ward.alert("weight-gain"))["severity"] == "moderate"


async def test_readings_that_stop_are_missed_and_the_next_one_ends_it(ward: Ward) -> None:
    device = await device_of(ward)
    await ward.measured("8867-4", 70, "/min", device=device)
    await ward.leap(hours=23)
    assert await ward.alerts() == []
    await ward.leap(hours=1, minutes=1)
    assert (await ward.alert("readings-missing"))["status"] == "preliminary"
    await ward.measured("8867-4", 70, "/min", device=device)
    over = await ward.alert("readings-missing")
    assert (over["status"], course_of(over).state) == ("final", "over")
    assert (await ward.task(over))["status"] == "cancelled"
    await ward.leap(hours=24, minutes=1)
    assert len(await ward.alerts("readings-missing")) == 2


async def test_who_no_longer_uses_a_device_is_not_missed(ward: Ward) -> None:
    device = await device_of(ward)
    use = {
        "resourceType": "DeviceUseStatement",
        "status": "completed",
        "subject": {"reference": ward.elder},
        "device": device,
    }
    await ward.measured("8867-4", 70, "/min", device=device)
    await ward.home.created(use)
    await ward.leap(hours=25)
    assert await ward.alerts() == []


async def test_what_a_nurse_measures_once_is_not_missed(ward: Ward) -> None:
    await ward.measured("8867-4", 70, "/min")
    await ward.leap(hours=30)
    assert await ward.alerts() == []


# ---- one alert, over when the readings are back ---------------------------------------------------------------------------------


async def test_there_is_one_open_alert_however_many_readings_say_so(ward: Ward) -> None:
    for n in range(4):
        await ward.measured("8480-6", 182 + n, ago=4 - n)
    await ward.alert()


async def test_a_severe_alert_stays_when_the_readings_are_back_until_somebody_answers(ward: Ward) -> None:
    await ward.measured("8480-6", 185, ago=10)
    await ward.measured("8480-6", 172, ago=5)
    assert (await ward.course()).back is None
    await ward.measured("8480-6", 150)
    course = await ward.course()
    assert (course.state, course.back is not None) == ("raised", True)
    alert = await ward.alert()
    assert (await ward.act("acknowledge", alert)).status_code == 200
    assert (await ward.act("resolve", alert, outcome="observed")).status_code == 200
    await ward.measured("8480-6", 181)
    assert len(await ward.alerts()) == 2


async def test_a_lesser_alert_ends_by_itself_and_only_beyond_its_hysteresis(ward: Ward) -> None:
    for ago in (15, 10, 5):
        await ward.measured("8867-4", 110, "/min", ago)
    await ward.measured("8867-4", 96, "/min", ago=2)
    assert (await ward.course()).state == "raised"
    await ward.measured("8867-4", 94, "/min")
    alert = await ward.alert()
    assert (course_of(alert).state, alert["status"]) == ("over", "final")
    assert (await ward.home.get(f"/{course_of(alert).flag}")).json()["status"] == "inactive"


async def test_what_was_resolved_is_not_raised_again_at_once(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    await ward.act("acknowledge", alert)
    await ward.act("resolve", alert, outcome="treated", note="已服降压药")
    await ward.measured("8480-6", 183)
    assert len(await ward.alerts()) == 1
    await ward.leap(minutes=61)
    await ward.measured("8480-6", 183)
    assert len(await ward.alerts()) == 2


async def test_a_reading_that_was_entered_in_error_ends_what_it_has_raised(ward: Ward) -> None:
    (reading,) = await ward.send(ward.reading("8480-6", 280))
    await ward.home.put(f"/Observation/{reading['id']}", reading | {"status": "entered-in-error"})
    await ward.settle()
    assert (await ward.course()).back is not None


async def test_quiet_hours_put_off_what_is_not_urgent_and_nothing_else(ward: Ward) -> None:
    night = ward.now.replace(hour=23, minute=30)
    ward.clock.leap(night - ward.now)
    await ward.measured("29463-7", 56, "kg", ago=600)
    await ward.measured("29463-7", 59, "kg")
    await ward.measured("8480-6", 190)
    assert [each["code"]["coding"][0]["code"] for each in await ward.alerts()] == ["blood-pressure-critical"]
    await ward.leap(hours=6)
    assert await ward.alerts("weight-gain") == []
    await ward.leap(minutes=31)
    assert (await ward.course("weight-gain")).raised.astimezone(CHINA).hour == 6  # type: ignore[union-attr]


# ---- the chain --------------------------------------------------------------------------------------------------------------


async def test_nobody_answers_and_it_goes_from_the_nurse_to_the_county(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    for minutes, role, owner in ((5, "physician", HOME), (10, "institution", HOME), (15, "county", COUNTY)):
        await ward.leap(minutes=minutes - 0.1)
        assert roles(await ward.task(alert)) != [role]
        await ward.leap(minutes=0.2)
        task = await ward.task(alert)
        assert (roles(task), task["owner"]["reference"]) == ([role], f"Organization/{owner}")
        await ward.leap(minutes=-0.1)
    await ward.leap(hours=10)
    assert roles(await ward.task(alert)) == ["county"]
    assert len(await ward.alerts("blood-pressure-critical")) == 1


async def test_an_acknowledgement_stops_the_chain_and_says_who(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    ward.clock.leap(timedelta(minutes=3))
    answered = await ward.act("acknowledge", alert, note="护士已到床旁")
    assert answered.status_code == 200
    mitigation = answered.json()["mitigation"][0]
    assert (mitigation["action"]["text"], mitigation["author"]) == ("护士已到床旁", {"reference": NURSE})
    await ward.leap(hours=5)
    task = await ward.task(alert)
    assert (roles(task), task["status"]) == (["nurse"], "accepted")
    assert outputs(task)["time-to-acknowledge"]["value"] == pytest.approx(180, abs=10)


async def test_each_act_is_open_in_its_states_only(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    assert_outcome(await ward.act("resolve", alert, outcome="treated"), 422, "business-rule", "DetectedIssue.extension")
    await ward.act("acknowledge", alert)
    assert_outcome(await ward.act("acknowledge", alert), 422, "business-rule", "DetectedIssue.extension")
    assert_outcome(await ward.act("resolve", alert), 422, "required", "DetectedIssue.mitigation")
    assert_outcome(await ward.act("resolve", alert, outcome="cured"), 422, "code-invalid", "DetectedIssue.mitigation")
    assert (await ward.act("resolve", alert, outcome="false-alarm")).json()["status"] == "cancelled"
    assert_outcome(await ward.act("arrive", alert), 422, "business-rule", "DetectedIssue.extension")


async def test_nobody_writes_an_alert_or_what_follows_from_it_by_hand(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    task = await ward.task(alert)
    forged = {name: value for name, value in alert.items() if name not in ("id", "meta")}
    assert_outcome(await ward.home.post("/DetectedIssue", forged), 422, "business-rule", "DetectedIssue.extension")
    assert_outcome(
        await ward.home.put(f"/Task/{task['id']}", task | {"status": "completed"}), 422, "business-rule", "Task"
    )
    for change in ({"severity": "low"}, {"implicated": [{"reference": "Observation/another"}]}):
        refused = await ward.home.put(f"/DetectedIssue/{alert['id']}", alert | change)
        assert_outcome(refused, 422, "business-rule", f"DetectedIssue.{next(iter(change))}")
    assert await ward.alert() == alert


async def test_nobody_silences_an_alert_by_what_stands_beside_it(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    flag = (await ward.home.get(f"/{course_of(alert).flag}")).json()
    path = f"/Flag/{flag['id']}"
    assert_outcome(await ward.home.delete(path), 422, "business-rule", "Flag")
    assert_outcome(await ward.home.put(path, flag | {"status": "inactive"}), 422, "business-rule", "Flag")
    own = {name: value for name, value in flag.items() if name not in ("id", "meta", "identifier")}
    assert (await ward.home.delete(f"/Flag/{(await ward.home.created(own))['id']}")).status_code == 204


async def test_what_was_deleted_beside_an_alert_is_written_again(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    course = course_of(alert)
    with monkeypatch.context() as before_it_was_reserved:
        before_it_was_reserved.setattr(prepare, "check_reserved", lambda *_: None)
        for name in (course.flag, course.task):
            assert (await ward.home.delete(f"/{name}")).status_code == 204
    assert (await ward.act("acknowledge", alert)).status_code == 200
    assert (await ward.home.get(f"/{course.flag}")).json()["status"] == "active"
    assert (await ward.task(alert))["status"] == "accepted"


async def test_a_client_that_calls_itself_the_clock_is_not_the_clock(ward: Ward) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    forger = ward.home.as_(client="yiyang-clock")
    course = msgspec.structs.replace(course_of(alert), step=1)
    refused = await forger.put(f"/DetectedIssue/{alert['id']}", with_course(alert, course))
    assert_outcome(refused, 422, "business-rule", "DetectedIssue.extension")


@pytest.mark.parametrize(
    "parts",
    [
        [{"url": "mood", "valueCode": "bad"}],
        [{"url": "state", "valueString": "acknowledged"}],
        [{"url": "step", "valueCode": "one"}],
        [{"url": "raised", "valueInteger": 1}],
        [{"url": "state"}],
    ],
)
async def test_a_course_that_makes_no_sense_is_refused_like_any_other(ward: Ward, parts: list[Json]) -> None:
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    odd = alert | {"extension": [{"url": COURSE, "extension": parts}]}
    refused = await ward.home.put(f"/DetectedIssue/{alert['id']}", odd)
    assert refused.status_code in (400, 422), refused.text
    assert await ward.alert() == alert


async def test_who_only_watches_and_who_sees_nothing_answers_no_alert(ward: Ward) -> None:
    lead = f"lead-{ward.elder[-8:]}"
    supervised = {
        "resourceType": "OrganizationAffiliation",
        "organization": {"reference": f"Organization/{lead}"},
        "participatingOrganization": {"reference": f"Organization/{HOME}"},
        "code": [coded("https://yiyang.example/fhir/CodeSystem/affiliation-type", "supervision")],
    }
    await ward.home.created(supervised)
    await ward.measured("8480-6", 185)
    alert = await ward.alert()
    path, nothing = f"/DetectedIssue/{alert['id']}", {"resourceType": "Parameters"}
    watcher, stranger = (ward.home.as_(organization=each, practitioner=None) for each in (lead, "stranger"))
    assert (await watcher.get(path)).status_code == 200
    assert (await watcher.post(f"{path}/$acknowledge", nothing)).status_code == 403
    assert (await stranger.post(f"{path}/$acknowledge", nothing)).status_code == 404
    assert (await ward.course()).state == "raised"


# ---- calls for help -----------------------------------------------------------------------------------------------------------


async def test_a_call_for_help_is_dispatched_and_its_times_are_measured(ward: Ward) -> None:
    (call,) = await ward.send(sos(ward))
    alert = await ward.alert("sos")
    course, task = course_of(alert), await ward.task(alert)
    assert (task["priority"], task["code"]["coding"][0]["code"], task["status"]) == ("stat", "sos", "requested")
    told = (await ward.home.get(f"/{course.call}")).json()
    assert (told["priority"], told["inResponseTo"]) == ("stat", [{"reference": f"Communication/{call['id']}"}])
    ward.clock.leap(timedelta(seconds=40))
    await ward.act("acknowledge", alert)
    ward.clock.leap(timedelta(minutes=4))
    await ward.act("arrive", alert)
    ward.clock.leap(timedelta(minutes=20))
    await ward.act("resolve", alert, outcome="ambulance", note="已由救护车送医")
    done = outputs(await ward.task(alert))
    assert done["time-to-acknowledge"]["value"] == pytest.approx(40, abs=10)
    assert done["time-to-arrive"]["value"] == pytest.approx(280, abs=15)
    assert done["outcome"]["coding"][0]["code"] == "ambulance"
    told = (await ward.home.get(f"/{course.call}")).json()
    assert (told["status"], "received" in told) == ("completed", True)


async def test_a_second_press_while_one_is_open_is_more_evidence_and_no_second_alarm(ward: Ward) -> None:
    await ward.send(sos(ward))
    await ward.send(sos(ward))
    assert len((await ward.alert("sos"))["implicated"]) == 2


async def test_a_fall_that_a_device_has_noticed_is_an_alarm(ward: Ward) -> None:
    fall = observation(ward.elder, code=coded(ALERT_RULE, "fall"), valueQuantity=None, valueBoolean=True)
    (noticed,) = await ward.send(fall)
    alert = await ward.alert("fall")
    assert alert["implicated"] == [{"reference": f"Observation/{noticed['id']}"}]
    assert course_of(alert).call
    await ward.act("acknowledge", alert)
    await ward.act("resolve", alert, outcome="false-alarm")
    await ward.home.put(f"/Observation/{noticed['id']}", noticed | {"note": [{"text": "误报"}]})
    await ward.settle()
    assert len(await ward.alerts("fall")) == 1


# ---- what can't be counted ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("no-unit", {"unit": ""}),
        ("other-unit", {"unit": "kg"}),
        ("in-the-future", {"ago": -30.0}),
        ("late", {"ago": 60.0 * 30}),
    ],
)
async def test_a_reading_that_cannot_be_counted_raises_nothing_and_is_flagged(
    ward: Ward, fault: str, changes: Json
) -> None:
    device = await device_of(ward)
    (reading,) = await ward.send(ward.reading("8480-6", 200, **changes) | {"device": device})
    alert = await ward.alert()
    assert alert["code"]["coding"][0]["code"] == "reading-unusable"
    assert alert["evidence"][0]["code"][0]["coding"][0]["code"] == fault
    assert alert["evidence"][0]["detail"] == [{"reference": f"Observation/{reading['id']}"}]


async def test_a_reading_of_an_unknown_device_counts_and_is_flagged(ward: Ward) -> None:
    others = await device_of(ward, patient="Patient/somebody-else")
    await ward.measured("8480-6", 200, device=others)
    codes = {each["code"]["coding"][0]["code"] for each in await ward.alerts()}
    assert codes == {"blood-pressure-critical", "reading-unusable"}


async def test_the_same_reading_sent_three_times_is_one(ward: Ward) -> None:
    at = (ward.now - timedelta(minutes=11)).isoformat(timespec="seconds")
    for _ in range(3):
        await ward.measured("8867-4", 110, "/min", effectiveDateTime=at)
    await ward.measured("8867-4", 110, "/min")
    assert await ward.alerts() == []


async def test_what_is_written_down_later_is_a_record_and_no_alarm(ward: Ward) -> None:
    await ward.measured("8480-6", 200, ago=60 * 24 * 90)
    assert await ward.alerts() == []


async def device_of(ward: Ward, patient: str | None = None) -> Json:
    whose = {"patient": {"reference": patient}} if patient else {}
    device = await ward.home.created({"resourceType": "Device", "status": "active", **whose})
    return {"reference": f"Device/{device['id']}"}


def sos(ward: Ward) -> Json:
    category = [coded(ALERT_RULE, "sos")]
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": category,
        "priority": "stat",
        "subject": {"reference": ward.elder},
    }


async def test_who_has_subscribed_is_told_of_an_alert_and_of_its_flag(ward: Ward) -> None:
    async with receiving() as receiver:
        await ward.home.created(
            subscription(receiver.url, "alert", f"DetectedIssue?patient={ward.elder}", f"Flag?patient={ward.elder}")
        )
        await ward.notifier.settle()
        await ward.measured("8480-6", 185)
        await ward.notifier.settle()
    course, alert = await ward.course(), await ward.alert()
    assert {each["focus"] for each in receiver.events} == {f"DetectedIssue/{alert['id']}", course.flag}
