"""The library of care plans, what calls for each, and how a difference of two versions is told (docs/care-plans.md)."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from services.care.definition_files import DefinitionError
from services.care.plans.difference import differences
from services.care.plans.findings import ICD10, Finding, chosen
from services.care.plans.load import OURS, load_plans, read_plan
from services.care.plans.plan import ROLES, Plan
from services.care.plans.plan_definition import plan_definition
from services.care.scoring.results import codes_of
from services.fhir.validation import validate
from tests.builders import care_plan

Json = dict[str, Any]

PLANS = load_plans()


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_each_plan_is_a_valid_plan_definition_whose_codes_are_known(plan: Plan) -> None:
    validate(plan_definition(plan))
    assert {act.code for act in plan.acts} <= {*codes_of("care-activity")}
    assert {act.role for act in plan.acts} <= {*codes_of("care-role")}


def test_an_activity_of_the_same_code_says_the_same_in_every_plan() -> None:
    said: dict[str, set[str]] = {}
    for act in (act for plan in PLANS.values() for act in plan.acts if act.code != "follow-up-visit"):
        said.setdefault(act.code, set()).add(act.zh)
    assert {code for code, words in said.items() if len(words) > 1} == set()
    assert {*codes_of("care-role")} == {*ROLES}


@pytest.mark.parametrize(
    ("finding", "plans"),
    [
        (Finding(ICD10, "I10.x00"), {"hypertension"}),
        (Finding(ICD10, "E11.9"), {"diabetes"}),
        (Finding(ICD10, "I63.9"), {"stroke-rehabilitation"}),
        (Finding(ICD10, "I50.9"), {"heart-failure"}),
        (Finding(ICD10, "Z51.5"), {"hospice"}),
        (Finding(ICD10, "J18.9"), set()),
        (Finding(f"{OURS}gbt42195-level", "0"), set()),
        (Finding(f"{OURS}gbt42195-level", "1"), set()),
        (Finding(f"{OURS}gbt42195-level", "2"), {"fall-prevention"}),
        (Finding(f"{OURS}gbt42195-level", "3"), {"fall-prevention", "pressure-injury"}),
        (Finding(f"{OURS}gbt42195-level", "4"), {"pressure-injury", "nutrition"}),
        (Finding(f"{OURS}risk-level", "high", f"{OURS}morse-total"), {"fall-prevention"}),
        (Finding(f"{OURS}risk-level", "high", f"{OURS}braden-total"), {"pressure-injury"}),
        (Finding(f"{OURS}risk-level", "low", f"{OURS}braden-total"), set()),
        (Finding(f"{OURS}tcm-constitution", "qi-deficiency"), {"tcm-guidance"}),
        (Finding(f"{OURS}tcm-constitution", "balanced"), set()),
    ],
)
def test_a_plan_is_called_for_by_what_it_names(finding: Finding, plans: set[str]) -> None:
    assert {each.plan.name for each in chosen(PLANS, [finding])} == plans


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        (("category",), "gardening", "care-plan-category has no code gardening"),
        (("acts", 0, "aims"), ["health"], "there is no goal health"),
        (("acts",), [], "a plan has goals and activities"),
        (("when", 0, "codes"), ["huge"], "risk-level has no code huge"),
        (("name",), "falls", "the file must be called falls.json"),
    ],
)
def test_a_file_that_is_no_plan_is_refused_with_the_reason(
    tmp_path: Path, path: tuple[str | int, ...], to: Any, says: str
) -> None:
    plan = json.loads(files("services.care.plans").joinpath("definitions", "fall-prevention.json").read_bytes())
    at = plan
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    file = tmp_path / "fall-prevention.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(DefinitionError, match=says):
        read_plan(file)


def activity(code: str, status: str = "not-started", said: str = "巡视") -> Json:
    return {"detail": {"code": {"coding": [{"code": code}]}, "status": status, "description": said}}


def test_a_difference_names_each_element_and_tells_codes_but_no_words() -> None:
    base = care_plan("Patient/1", activity=[activity("a"), activity("b")], period={"start": "2024-05-01"})
    now = base | {
        "activity": [activity("a", "in-progress"), activity("b", said="王秀英 夜间巡视"), activity("c")],
        "period": {"start": "2024-05-02"},
    }
    found = {issue.expression[0]: issue for issue in differences(base, now, None)}
    assert found.keys() == {
        "CarePlan.activity[0].detail.status",
        "CarePlan.activity[1].detail.description",
        "CarePlan.activity[2]",
        "CarePlan.period.start",
    }
    assert "活动 1 状态：他人已修改（not-started → in-progress）" in found["CarePlan.activity[0].detail.status"].text
    assert "2024-05-01 → 2024-05-02" in found["CarePlan.period.start"].text
    assert not any("王秀英" in f"{issue.text}{issue.diagnostics}" for issue in found.values())


def test_what_both_have_changed_is_told_as_such() -> None:
    base = care_plan("Patient/1", title="甲", activity=[activity("a")])
    now = base | {"activity": [activity("a", "in-progress")], "title": "乙"}
    (title, status) = differences(base, now, base | {"activity": [activity("a", "completed")]})
    assert ("您也修改了" in title.text, "您也修改了" in status.text) == (False, True)


def test_no_number_of_a_person_is_told_with_a_difference() -> None:
    base = care_plan("Patient/1", author={"identifier": {"system": "urn:oid:2.16.156.10011.1.3", "value": "old"}})
    person = {"identifier": {"system": "urn:oid:2.16.156.10011.1.3", "value": "99900019400101001X"}}
    contact = {"url": "http://a.example/c", "valueContactPoint": {"system": "phone", "value": "13800000000"}}
    now = base | {"author": person, "contributor": [person | {"display": "王秀英"}], "extension": [contact]}
    told = " ".join(f"{issue.text}{issue.diagnostics}" for issue in differences(base, now, None))
    assert "author" in told
    assert not any(each in told for each in ("99900019400101001X", "13800000000", "王秀英", "old"))
