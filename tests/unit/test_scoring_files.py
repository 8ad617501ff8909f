"""A file that is no instrument is refused with the reason; one that is needs no code."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from services.care.definition_files import DefinitionError
from services.care.scoring.load import load_instruments, read_instrument
from services.care.scoring.score import score

Json = dict[str, Any]
DEFINITIONS = files("services.care").joinpath("definitions")


def changed(tmp_path: Path, name: str, *path: str | int, to: Any) -> Path:
    """A copy of an instrument with one element changed; None takes it away."""
    instrument = json.loads(DEFINITIONS.joinpath(f"{name}.json").read_bytes())
    at = instrument
    for step in path[:-1]:
        at = at[step]
    if to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(instrument), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        (("weight",), 1, "unknown field `weight`"),
        (("validity", "unit"), "year", "Invalid enum value 'year' - at `$.validity.unit`"),
        (("groups", 0, "items", 0, "zh"), None, "missing required field `zh` - at `$.groups[0].items[0]`"),
        (("groups", 0, "items", 1, "linkId"), "1", "linkId 1 stands twice"),
        (("groups", 0, "items", 0, "options"), "yesno", "no set of options is named yesno"),
        (("groups", 0, "items", 0, "options"), [], "options are needed, or min and max"),
        (("groups", 0, "items", 0, "options", 1, "value"), 0, "option 0 stands twice"),
        (("groups", 0, "items", 0, "required"), False, "1 does not always count"),
        (("scores", 0, "of", 0), "6", "6 is no item and no earlier score"),
        (("scores", 0, "code"), "1", "score or item 1 stands twice"),
        (("rules", 0, "results", 0, "system"), "no-such-level", "no code system is named no-such-level"),
        (("rules", 0, "results", 0, "bands", 0, "code"), "best", "self-care-level has no code best"),
        (("rules", 0, "results", 0, "bands", 0, "to"), 2, "no band holds 3, which total can be"),
        (("rules", 0, "results", 0, "bands", 0, "to"), 4, "two bands hold 4"),
        (("rules", 0, "results", 0, "kind"), "guess", "Invalid value 'guess'"),
        (("golden",), [], "golden vectors are needed"),
        (("golden", 0, "results", "level"), "mild", "level is ('independent',), not ('mild',)"),
        (("golden", 0, "rule"), "4th", "no rule 4th"),
        (("name",), "self", "the file must be called self.json"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, path: tuple[str | int, ...], to: Any, says: str) -> None:
    with pytest.raises(DefinitionError) as error:
        read_instrument(changed(tmp_path, "self-care", *path, to=to))
    assert str(error.value).startswith("self-care.json: ")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "path", "to", "says"),
    [
        ("ltci37", ("rules", 0, "results", 3, "rows"), "adl-level", "adl-level is no score and no earlier result"),
        ("ltci37", ("rules", 0, "results", 3, "cells", "slight"), {}, "slight has no cell"),
        ("gbt42195", ("rules", 0, "results", 1, "clauses", 0, "code"), "sleep", "gbt42195-clause has no code sleep"),
        ("gbt42195", ("rules", 0, "results", 1, "clauses", 1, "when", 0, "of"), "x", "x is no score"),
        ("gbt42195", ("rules", 0, "results", 1, "clauses", 0, "when", 1, "answer"), "9", "B.3.9 has no option 9"),
        ("gbt42195", ("rules", 0, "results", 1, "of"), "level", "level is no earlier result"),
        ("morse-total", ("rules", 0, "risk", "likely", "high"), None, "risk: says nothing of high"),
        ("cognition-screen", ("groups", 0, "items", 1, "enabledWhen", "answer"), "x", "1 has no option x"),
        ("tcm33", ("scores", 8, "reversed"), ["3"], "3 is reversed and not counted"),
    ],
)
def test_a_name_that_leads_nowhere_is_said(
    tmp_path: Path, name: str, path: tuple[str | int, ...], to: Any, says: str
) -> None:
    with pytest.raises(DefinitionError, match=r"\.json: ") as error:
        read_instrument(changed(tmp_path, name, *path, to=to))
    assert says in str(error.value)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"^broken\.json: "):
        load_instruments(tmp_path)


def test_an_instrument_of_ones_own_comes_before_the_shipped_one(tmp_path: Path) -> None:
    changed(tmp_path, "self-care", "validity", "value", to=6)
    own = load_instruments(tmp_path)
    shipped = load_instruments()
    url = "https://yiyang.example/fhir/Questionnaire/self-care"
    assert own.keys() == shipped.keys()
    assert (own[url].validity.value, shipped[url].validity.value) == (6, 12)


def test_a_new_instrument_needs_no_code(tmp_path: Path) -> None:
    new = {
        "name": "night-visits", "version": "1", "zh": "夜间起夜", "en": "Getting up at night", "source": "a home's own form", "confidence": "L",
        "validity": {"value": 7, "unit": "d", "confidence": "L"},
        "groups": [{"linkId": "night", "zh": "昨夜", "en": "Last night", "items": [{"linkId": "times", "zh": "起夜次数", "en": "Times", "min": 0, "max": 20}]}],
        "scores": [{"code": "total", "zh": "次数", "en": "Times, in all", "of": ["times"]}],
        "rules": [{"version": "1", "zh": "两次为界", "en": "Two is the limit", "confidence": "L", "results": [
            {"kind": "bands", "code": "level", "zh": "风险", "en": "Risk", "system": "risk-level", "of": "total",
             "bands": [{"from": 0, "to": 1, "code": "low"}, {"from": 2, "to": 20, "code": "high"}]}]}],
        "golden": [{"says": "two", "answers": {"times": 2}, "results": {"level": "high"}}],
    }  # fmt: skip
    (tmp_path / "night-visits.json").write_text(json.dumps(new), encoding="utf-8")
    instrument = load_instruments(tmp_path)["https://yiyang.example/fhir/Questionnaire/night-visits"]
    assert score(instrument, {"times": 1}).results == {"level": ("low",)}
