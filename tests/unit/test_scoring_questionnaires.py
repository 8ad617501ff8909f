"""Each instrument is a valid Questionnaire that asks for what is scored: http://hl7.org/fhir/R4/questionnaire.html"""

from typing import Any

import msgspec
import pytest

from services.care.assessments.answers import answer_code, answers_of
from services.care.assessments.questionnaire import questionnaire
from services.care.scoring.instrument import Instrument
from services.care.scoring.load import load_instruments
from services.care.scoring.score import NotGradableError
from services.fhir.terminology.shipped import shipped_system
from services.fhir.validation import examine, parse
from tests.builders import questionnaire_response

Json = dict[str, Any]
INSTRUMENTS = {each.name: each for each in load_instruments().values()}
BARTHEL = INSTRUMENTS["barthel"]
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_it_is_valid(instrument: Instrument) -> None:
    issues = examine(parse(msgspec.json.encode(questionnaire(instrument)), "Questionnaire"))
    assert [issue for issue in issues if issue.severity == "error"] == []


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=INSTRUMENTS)
def test_each_option_has_a_code_that_the_terminology_knows_and_its_value(instrument: Instrument) -> None:
    system = shipped_system(instrument.system)
    assert system
    asked = [item for group in questionnaire(instrument)["item"] for item in group["item"]]
    assert [item["linkId"] for item in asked] == list(instrument.items)
    for item in asked:
        options = instrument.options[item["linkId"]].values()
        assert item["type"] == ("choice" if options else "integer")
        for option, shown in zip(options, item.get("answerOption", ()), strict=True):
            assert system.get(shown["valueCoding"]["code"]), shown
            ordinals = [each["valueDecimal"] for each in shown.get("extension", ()) if each["url"] == ORDINAL]
            assert ordinals == ([] if option.value is None else [option.value])


def test_an_item_is_enabled_by_the_answer_before_it() -> None:
    _, follow = questionnaire(INSTRUMENTS["cognition-screen"])["item"][0]["item"]
    (when,) = follow["enableWhen"]
    assert (when["question"], when["operator"], when["answerCoding"]["code"]) == ("1", "=", "1-positive")


def test_answers_are_found_wherever_their_items_stand() -> None:
    nested = {"linkId": "barthel", "item": [_answered("eating", "10"), _answered("bathing", "5")]}
    flat = [_answered("bathing", "5"), _answered("eating", "10")]
    expected = {"eating": "10", "bathing": "5"}
    assert answers_of(questionnaire_response(item=[nested]), BARTHEL) == expected
    assert answers_of(questionnaire_response(item=flat), BARTHEL) == expected


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([{"linkId": "eating", "answer": [{"valueCoding": {"code": "eating-10"}}] * 2}], "duplicate"),
        ([{"linkId": "eating", "answer": [{"valueCoding": {"code": "eating-10"}}]}] * 2, "duplicate"),
        ([{"linkId": "eating", "answer": [{"valueCoding": {"code": "bathing-5"}}]}], "code-invalid"),
        ([{"linkId": "eating", "answer": [{"valueCoding": {"system": "http://loinc.org", "code": "eating-10"}}]}], "code-invalid"),
        ([{"linkId": "eating", "answer": [{"valueString": "10"}]}], "code-invalid"),
    ],
)  # fmt: skip
def test_an_answer_of_another_kind_is_named(items: list[Json], code: str) -> None:
    with pytest.raises(NotGradableError) as error:
        answers_of(questionnaire_response(item=items), BARTHEL)
    assert [(fault.link_id, fault.code) for fault in error.value.faults] == [("eating", code)]


def _answered(link_id: str, option: str) -> Json:
    coding = {"system": BARTHEL.system, "code": answer_code(link_id, option)}
    return {"linkId": link_id, "answer": [{"valueCoding": coding}]}
