"""What opens a basis, and what of it counts: docs/adr/0011"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.care.rules import care_team, episode_of_care
from services.fhir.access.grants import Moment, Opening, settled
from services.fhir.elements import concept
from services.records.rules import encounter, organization_affiliation
from services.referral.codes import TASK_CODE
from services.referral.rules import AGREED, contract, task
from services.referral.states import CHOSEN, PRESENT, STATES, business_status

Json = dict[str, Any]

NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = Moment(NOW, "home", "t1", 30 * DAY)
HOME, HOSPITAL = {"reference": "Organization/home"}, {"reference": "Organization/hospital"}
ELDER = {"reference": "Patient/p"}


def referral(state: str, **changes: Any) -> Json:
    made = {
        "resourceType": "Task", "status": STATES[state].task, "businessStatus": business_status(state),
        "code": concept(TASK_CODE, "referral"), "for": ELDER,
        "focus": {"reference": "ServiceRequest/s"}, "requester": HOME, "owner": HOSPITAL,
        "input": [{"type": {"text": "package"}, "valueReference": {"reference": "Bundle/b"}}],
    }  # fmt: skip
    return {**made, **changes}


def of(resource: Json, holder: str, moment: Moment = MOMENT) -> dict[str, Opening]:
    return {o.basis: o for o in task(resource, moment).openings if o.organization == holder}


def test_the_fulfiller_reads_nothing_before_submission() -> None:
    assert not task(referral("draft"), MOMENT).openings


@pytest.mark.parametrize("state", ["submitted", "received", "info-requested"])
def test_the_fulfiller_reads_the_package_only_before_acceptance(state: str) -> None:
    found = of(referral(state), "hospital")
    assert set(found) == {"referral-task", "referral-package"}
    assert found["referral-package"].resources == ("Patient/p", "ServiceRequest/s", "Bundle/b")
    assert not found["referral-package"].may_write
    assert not found["referral-package"].founds


@pytest.mark.parametrize("state", sorted(CHOSEN - PRESENT))
def test_the_fulfiller_reads_the_agreed_compartment_from_acceptance(state: str) -> None:
    found = of(referral(state), "hospital")
    assert (found["referral"].types, found["referral"].resources, found["referral"].ends) == (AGREED, None, None)
    assert found["referral-package"].resources == ("Patient/p", "ServiceRequest/s", "Bundle/b")


@pytest.mark.parametrize("state", sorted(PRESENT))
def test_the_fulfiller_reads_the_record_from_arrival(state: str) -> None:
    found = of(referral(state), "hospital")["referral"]
    assert (found.types, found.resources, found.ends, found.founds) == (None, None, None, True)


def test_nothing_is_read_a_while_after_the_end() -> None:
    assert of(referral("closed"), "hospital")["referral"].ends == NOW + 30 * DAY


def test_a_refused_referral_shows_neither_package_nor_record() -> None:
    assert set(of(referral("rejected"), "hospital")) == {"referral-task"}
    assert not task(referral("voided"), MOMENT).openings


def test_the_answer_comes_back_to_the_placer() -> None:
    output = [{"type": {"text": "回转单"}, "valueReference": {"reference": "Composition/c"}}]
    found = of(referral("feedback-sent", output=output), "home")["referral-return"]
    assert "Composition/c" in (found.resources or ())


def test_a_stat_referral_opens_the_record_for_four_hours_under_an_emergency() -> None:
    found = of(referral("submitted", priority="stat"), "hospital")["emergency"]
    assert (found.ends, found.purposes, found.overrides, found.founds, found.may_write) == (
        NOW + timedelta(hours=4), ("BTG", "ETREAT"), True, False, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "resource", "ends"),
    [
        (encounter, {"status": "in-progress", "subject": ELDER, "serviceProvider": HOME}, None),
        (encounter, {"status": "finished", "subject": ELDER, "serviceProvider": HOME}, NOW + 30 * DAY),
        (episode_of_care, {"status": "active", "patient": ELDER, "managingOrganization": HOME}, None),
        (episode_of_care, {"status": "finished", "patient": ELDER, "managingOrganization": HOME,
                           "period": {"end": (NOW - 10 * DAY).isoformat()}}, NOW + 20 * DAY),
        (care_team, {"status": "active", "subject": ELDER, "managingOrganization": [HOME]}, None),
        (care_team, {"status": "active", "subject": ELDER, "participant": [{"onBehalfOf": HOME}]}, None),
        (contract, {"status": "executed", "subject": [ELDER], "authority": [HOME],
                    "type": {"coding": [{"system": "https://yiyang.example/fhir/CodeSystem/contract-type", "code": "family-doctor"}]},
                    "applies": {"end": (NOW + DAY).isoformat()}}, NOW + 31 * DAY),
    ],
)  # fmt: skip
def test_care_opens_a_basis_until_a_while_after_its_end(rule: Callable[..., Any], resource: Json, ends: Any) -> None:
    (found,) = rule(resource, MOMENT).openings
    assert (found.patient, found.organization, found.ends) == ("p", "home", ends)


@pytest.mark.parametrize(
    ("rule", "resource"),
    [
        (encounter, {"status": "planned", "subject": ELDER, "serviceProvider": HOME}),
        (encounter, {"status": "cancelled", "subject": ELDER, "serviceProvider": HOME}),
        (encounter, {"status": "entered-in-error", "subject": ELDER, "serviceProvider": HOME}),
        (encounter, {"status": "in-progress", "subject": {"reference": "Group/g"}, "serviceProvider": HOME}),
        (episode_of_care, {"status": "waitlist", "patient": ELDER, "managingOrganization": HOME}),
        (contract, {"status": "executed", "subject": [ELDER], "authority": [HOME]}),
        (task, {"status": "accepted", "for": ELDER, "owner": HOME, "code": {"coding": [{"code": "complaint"}]}}),
    ],
)
def test_what_is_not_care_opens_nothing(rule: Callable[..., Any], resource: Json) -> None:
    assert not rule(resource, MOMENT).openings


def test_supervision_is_said_of_a_consortium() -> None:
    code = {"system": "https://yiyang.example/fhir/CodeSystem/affiliation-type", "code": "supervision"}
    said = {"code": [{"coding": [code]}], "organization": HOSPITAL, "participatingOrganization": HOME}
    (found,) = organization_affiliation(said, MOMENT).supervisions
    assert (found.lead, found.supervised) == ("hospital", "home")


OWN = Opening("p", "hospital", "encounter", NOW)


def counted(opening: Opening, *before: Opening, founder: bool, writer: str = "hospital") -> list[Opening]:
    moment = Moment(NOW, writer, "t1", 30 * DAY)
    return settled([opening], before, is_founder=lambda _: founder, moment=moment)


def test_nobody_grants_a_basis_to_itself() -> None:
    assert not counted(OWN, founder=False)
    assert counted(OWN, founder=True) == [OWN]


def test_an_answered_referral_is_raised_by_who_was_asked_alone() -> None:
    record = Opening("p", "hospital", "referral", NOW, is_answered=True)
    package = Opening("p", "hospital", "referral-package", NOW - DAY, resources=("Bundle/b",), founds=False)
    assert counted(record, package, founder=False) == [record]
    assert not counted(record, package, founder=False, writer="home")
    assert not counted(record, founder=False)


def test_without_a_basis_nothing_that_was_granted_grows() -> None:
    before = Opening("p", "hospital", "referral-package", NOW - DAY, NOW + DAY, resources=("Bundle/b",), founds=False)
    more = Opening("p", "hospital", "referral-package", NOW, resources=("Bundle/b", "Observation/o"))
    (kept,) = counted(more, before, founder=False)
    assert (kept.resources, kept.ends, kept.founds) == (("Bundle/b",), NOW + DAY, False)


def test_an_end_that_has_come_does_not_move() -> None:
    before = Opening("p", "hospital", "encounter", NOW - DAY, NOW + DAY)
    later = Opening("p", "hospital", "encounter", NOW, NOW + 30 * DAY)
    assert counted(later, before, founder=True)[0].ends == NOW + DAY


@pytest.mark.parametrize("founder", [True, False])
def test_what_goes_on_keeps_its_beginning(founder: bool) -> None:  # noqa: FBT001
    before = Opening("p", "hospital", "encounter", NOW - DAY)
    assert counted(OWN, before, founder=founder) == [before]


@pytest.mark.parametrize("founder", [True, False])
def test_what_is_put_off_is_not_open_until_then(founder: bool) -> None:  # noqa: FBT001
    before = Opening("p", "hospital", "encounter", NOW - DAY)
    later = Opening("p", "hospital", "encounter", NOW + DAY)
    assert counted(later, before, founder=founder) == [later]


def test_what_has_ended_begins_anew() -> None:
    before = Opening("p", "hospital", "encounter", NOW - 2 * DAY, NOW - DAY)
    assert counted(OWN, before, founder=True)[0].begins == NOW


def test_a_task_that_only_looks_like_a_referral_opens_nothing() -> None:
    assert not task(referral("accepted", code={"coding": [{"code": "referral"}]}), MOMENT).openings
    assert not task(referral("accepted", businessStatus={"coding": [{"code": "accepted"}]}), MOMENT).openings
