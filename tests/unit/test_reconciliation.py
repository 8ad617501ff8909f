"""Two plans line by line: each verdict, by code or by name, by exact dose or by words; and never a matter of order (docs/care-plans.md)."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.plans.lines import Line, activities, goal, medication
from services.care.plans.reconciling import ANSWERS, Compared, compare, decide
from tests.builders import care_plan, coded

Json = dict[str, Any]

DRUGS = "urn:oid:1.2.156.1"


def drug(name: str, dose: str = "每日一次，每次一片", status: str = "active", number: int = 1, **changes: Any) -> Line:
    made = {
        "resourceType": "MedicationStatement",
        "id": f"m{number}",
        "status": status,
        "medicationCodeableConcept": {"text": name},
        "dosage": [{"text": dose}],
    }
    return medication(made | changes)


def exact(times: int, number: int = 1) -> Line:
    timing = {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}}
    dose = [{"timing": timing, "doseAndRate": [{"doseQuantity": {"value": 1, "code": "{tbl}"}}]}]
    return drug("", number=number, dosage=dose, medicationCodeableConcept=coded(DRUGS, "C03CA01", "呋塞米"))


def act(code: str, times: int = 1, **detail: Any) -> Line:
    made = {"code": coded("urn:a", code), "status": "scheduled", "scheduledTiming": {"repeat": {"frequency": times}}}
    (line,) = activities(care_plan("Patient/1", activity=[{"detail": made | detail}]))
    return line


def aim(most: int, number: int = 1) -> Line:
    target = [{"measure": coded("http://loinc.org", "8480-6"), "detailQuantity": {"value": most, "code": "mm[Hg]"}}]
    return goal({"resourceType": "Goal", "id": f"g{number}", "description": {"text": "血压"}, "target": target})


def allergy(name: str) -> Json:
    return {"resourceType": "AllergyIntolerance", "code": {"text": name}}


FUROSEMIDE = drug("呋塞米片 20mg")
CASES = [
    ("the same words", [FUROSEMIDE], [drug("呋塞米片 20mg", number=2)], "kept", "", "continue"),
    ("another strength", [FUROSEMIDE], [drug("呋塞米片 40 mg", number=2)], "changed", "dose", "changed"),
    ("another dose", [FUROSEMIDE], [drug("呋塞米片 20mg", "每日两次", number=2)], "changed", "dose", "changed"),
    ("the same by code and exact dose", [exact(1)], [exact(1, 2)], "kept", "", "continue"),
    ("oftener", [exact(1)], [exact(2, 2)], "changed", "dose", "changed"),
    ("new from the hospital", [], [FUROSEMIDE], "new", "", "new"),
    ("stopped by the hospital", [FUROSEMIDE], [drug("呋塞米片 20mg", status="stopped")], "stopped", "", "stop"),
    ("left out by the hospital", [FUROSEMIDE], [], "stopped", "left-out", ""),
    ("care of the home goes on", [act("night-rounds")], [], "kept", "", "continue"),
    ("care oftener", [act("weighing")], [act("weighing", 2)], "changed", "timing", "changed"),
    ("care that the hospital forbids", [act("walking")], [act("walking", doNotPerform=True)], "conflict", "forbidden", ""),
    ("another target", [aim(150)], [aim(140, 2)], "conflict", "target", ""),
    ("the same target", [aim(140)], [aim(140, 2)], "kept", "", "continue"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("home", "hospital", "verdict", "reason", "proposed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_line_is_compared(home: list[Line], hospital: list[Line], verdict: str, reason: str, proposed: str) -> None:
    (found,) = compare(home, hospital, [])
    assert (found.verdict, found.reason, found.proposed) == (verdict, reason, proposed)


def test_a_new_medicine_to_which_the_elder_is_allergic_is_for_people_to_decide() -> None:
    (found,) = compare([], [drug("青霉素V钾片 250mg")], [allergy("青霉素")])
    assert (found.verdict, found.reason, found.proposed) == ("conflict", "allergy", "")


def test_the_same_medicine_twice_in_different_doses_is_for_people_to_decide() -> None:
    twice = [drug("华法林片 2.5mg", number=1), drug("华法林片 3mg", number=2)]
    found = compare([], twice, [])
    assert [(each.verdict, each.reason) for each in found] == [("conflict", "twice")] * 2
    assert len({each.id for each in found}) == 2


def test_what_stays_follows_from_the_answer() -> None:
    (changed,) = compare([FUROSEMIDE], [drug("呋塞米片 40mg", number=2)], [])
    stays = {}
    for answer in ANSWERS["changed"]:
        (decided,) = decide([changed], {changed.id: (answer, "")})
        stays[answer] = decided.stays.place if decided.stays else None
    assert stays == {"changed": "MedicationStatement/m2", "continue": "MedicationStatement/m1", "stop": None}


def test_only_what_people_must_say_is_open() -> None:
    home, hospital = [FUROSEMIDE, drug("阿司匹林肠溶片 100mg", number=3)], [drug("呋塞米片 40mg", number=2)]
    decided = decide(compare(home, hospital, []), {})
    assert [each.answer for each in decided] == ["changed", ""]


@given(st.randoms(use_true_random=False))
def test_order_never_matters(chance: random.Random) -> None:
    home = [FUROSEMIDE, drug("阿司匹林肠溶片 100mg", number=3), act("weighing"), aim(150)]
    hospital = [drug("呋塞米片 40mg", number=2), drug("美托洛尔片 25mg", number=4), act("weighing", 2), aim(140, 2)]
    mixed = compare(chance.sample(home, len(home)), chance.sample(hospital, len(hospital)), [])
    assert _said(mixed) == _said(compare(home, hospital, []))


def _said(found: list[Compared]) -> set[tuple[str, str]]:
    return {(each.id, each.verdict) for each in found}
