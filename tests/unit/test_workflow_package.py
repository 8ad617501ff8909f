"""What a package must hold in each direction, and where it says so (docs/referral-workflow.md)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.referral.package import FEEDBACK, SECTIONS, Sent, feedback_missing, medication_lines, missing
from tests.builders import coded, composition, document, observation

Json = dict[str, Any]
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
PATIENT = "Patient/elder"
UP = Sent("up", "clinic", is_stat=False, at=NOW)
DOWN = Sent("down", "hospital", is_stat=False, at=NOW)


def package(*codes: str, taken: datetime = NOW, **changes: Any) -> Json:
    pulse = observation(PATIENT, id="pulse", effectiveDateTime=taken.isoformat())
    sections = [
        {"code": coded("http://loinc.org", code), "entry": [{"reference": "Observation/pulse"}]} for code in codes
    ]
    note = composition(PATIENT, "Practitioner/doctor", section=sections)
    note["attester"] = [{"mode": "legal", "party": {"reference": "Practitioner/doctor"}}]
    return document(note | changes, pulse)


def mandatory(sent: Sent) -> list[str]:
    return [section.codes[-1] for section in SECTIONS if section.need(sent.direction, sent.sender) == "M"]


@pytest.mark.parametrize(
    ("sent", "count"), [(UP, 7), (DOWN, 9), (Sent("up", "nursing-home", is_stat=False, at=NOW), 8)]
)
def test_a_package_with_every_mandatory_section_is_complete(sent: Sent, count: int) -> None:
    assert len(mandatory(sent)) == count
    assert missing(package(*mandatory(sent)), PATIENT, sent) == ()


@pytest.mark.parametrize(("sent", "code"), [(s, c) for s in (UP, DOWN) for c in mandatory(s)])
def test_a_section_that_is_missing_is_named_by_its_fhirpath(sent: Sent, code: str) -> None:
    issues = missing(package(*(c for c in mandatory(sent) if c != code)), PATIENT, sent)
    assert len(issues) == 1
    assert f"code='{code}'" in issues[0].expression[0]
    assert issues[0].expression[0].startswith("Bundle.entry[0].resource.section")


@pytest.mark.parametrize("reason", ["nilknown", "notasked", "withheld", "unavailable"])
def test_an_empty_section_says_why(reason: str) -> None:
    sent = package(*mandatory(UP))
    section = sent["entry"][0]["resource"]["section"][3]
    del section["entry"]
    assert len(missing(sent, PATIENT, UP)) == 1
    section["text"] = {"status": "generated", "div": "<div>青霉素</div>"}
    assert len(missing(sent, PATIENT, UP)) == 1
    section["emptyReason"] = coded("http://terminology.hl7.org/CodeSystem/list-empty-reason", "closed")
    assert len(missing(sent, PATIENT, UP)) == 1
    section["emptyReason"] = coded("http://terminology.hl7.org/CodeSystem/list-empty-reason", reason)
    assert missing(sent, PATIENT, UP) == ()


@pytest.mark.parametrize(("is_stat", "hours", "fresh"), [(False, 23, True), (False, 25, False), (True, 2, False)])
def test_vital_signs_grow_old(is_stat: bool, hours: int, fresh: bool) -> None:  # noqa: FBT001
    sent = package(*mandatory(UP), taken=NOW - timedelta(hours=hours))
    issues = missing(sent, PATIENT, Sent("up", "clinic", is_stat, NOW, may_follow=is_stat))
    assert [issue.expression for issue in issues] == ([] if fresh else [("Bundle.entry[0].resource.section[6].entry",)])


def test_a_stat_referral_sends_the_summary_now_and_the_rest_later() -> None:
    summary = package("42349-1", "11450-4", "48765-2", "8716-3")
    assert missing(summary, PATIENT, Sent("up", "clinic", is_stat=True, at=NOW, may_follow=True)) == ()
    assert len(missing(summary, PATIENT, Sent("up", "clinic", is_stat=True, at=NOW))) == 3


def test_a_package_of_another_patient_or_unsigned_is_refused() -> None:
    sent = package(*mandatory(UP))
    assert missing(sent, "Patient/other", UP)[0].expression == ("Bundle.entry[0].resource.subject",)
    unsigned = package(*mandatory(UP), attester=[])
    assert missing(unsigned, PATIENT, UP)[0].expression == ("Bundle.entry[0].resource.attester",)
    assert missing({"type": "collection"}, PATIENT, UP)[0].expression == ("Bundle.entry[0].resource",)


def test_the_slip_of_the_way_back_names_what_it_lacks() -> None:
    sections = [{"code": coded("http://loinc.org", s.codes[0]), "entry": [{"reference": "X/1"}]} for s in FEEDBACK[:-1]]
    issues = feedback_missing({"section": sections})
    assert [("pending-results" in i.expression[0], i.expression[0][:19]) for i in issues] == [
        (True, "Composition.section")
    ]


def test_the_lines_of_medication_are_those_of_its_section() -> None:
    assert medication_lines(package("10183-2")) == ("Observation/pulse",)
    assert medication_lines(package("8716-3")) == ()
