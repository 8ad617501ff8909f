"""Scoring is right for every instrument: golden vectors, boundaries, clauses, and never a matter of order."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.care.scoring.check import reachable
from services.care.scoring.golden import answers_of, differences
from services.care.scoring.instrument import Answer, Bands, Golden, Instrument, Matrix, Raised
from services.care.scoring.load import load_instruments
from services.care.scoring.results import codes_of
from services.care.scoring.score import NotGradableError, score
from services.fhir.elements import CANONICAL

INSTRUMENTS = {each.name: each for each in load_instruments().values()}
VECTORS = [(each, golden) for each in INSTRUMENTS.values() for golden in each.golden]
ABILITY = INSTRUMENTS["gbt42195"]


@pytest.mark.parametrize(("instrument", "golden"), VECTORS, ids=[f"{i.name}: {g.says}" for i, g in VECTORS])
def test_a_golden_vector_comes_out_as_it_says(instrument: Instrument, golden: Golden) -> None:
    assert list(differences(instrument, golden)) == []


def test_every_instrument_that_the_rules_name_is_there() -> None:
    assert {
        "gbt42195", "ltci37", "ltci37-gate", "tcm33", "self-care", "barthel", "barthel-total", "gds15",
        "cognition-screen", "mood-screen", "mmse-total", "morse-total", "braden-total",
    } <= INSTRUMENTS.keys()  # fmt: skip


def _ends() -> Iterator[tuple[Instrument, str, Bands, int]]:
    for instrument in INSTRUMENTS.values():
        for rule in instrument.rules:
            for result in rule.results:
                if isinstance(result, Bands):
                    at = reachable(instrument, result.of)
                    ends = {end for band in result.bands for end in (band.from_, band.to)} & at
                    yield from ((instrument, rule.version, result, end) for end in sorted(ends))


@pytest.mark.parametrize(
    ("instrument", "rule", "result", "value"),
    list(_ends()),
    ids=lambda each: getattr(each, "name", None) or getattr(each, "code", None) or str(each),
)
def test_each_end_of_each_band_has_the_level_of_its_band(
    instrument: Instrument, rule: str, result: Bands, value: int
) -> None:
    graded = score(instrument, _reaching(instrument, result.of, value), instrument.rule(rule))
    assert graded.scores[result.of] == value
    expected = next(band.code for band in result.bands if band.from_ <= value <= band.to)
    assert graded.results[result.code] == (expected,)


def _reaching(instrument: Instrument, code: str, value: int) -> dict[str, Answer]:
    """Answers that make the score exactly this much, item by item; all others at their least."""
    answers: dict[str, Answer] = {}
    for link_id, item in instrument.items.items():
        if item.required:
            answers[link_id] = _with(instrument, link_id, min(reachable(instrument, link_id), default=None))
    _fill(instrument, code, value, answers)
    return answers


def _fill(instrument: Instrument, code: str, value: int, answers: dict[str, Answer]) -> None:
    by_code = {each.code: each for each in instrument.scores}
    if code not in by_code:
        answers[code] = _with(instrument, code, value)
        return
    rest = list(by_code[code].of)
    while rest:
        of = rest.pop(0)
        left = {0}
        for other in rest:
            left = {a + b for a in left for b in reachable(instrument, other)}
        part = next(each for each in reachable(instrument, of) if value - each in left)
        _fill(instrument, of, part, answers)
        value -= part


def _with(instrument: Instrument, link_id: str, value: int | None) -> Answer:
    options = instrument.options[link_id]
    if value is None:
        return next(iter(options))
    return next((key for key, option in options.items() if option.value == value), value)


@pytest.mark.parametrize("total", range(91))
def test_every_total_of_ability_has_the_level_of_the_standard(total: int) -> None:
    graded = score(ABILITY, _reaching(ABILITY, "total", total))
    expected = "0" if total == 90 else "1" if total >= 66 else "2" if total >= 46 else "3" if total >= 30 else "4"
    assert graded.results["preliminary-level"] == (expected,)


@pytest.mark.parametrize("rule", [rule.version for rule in ABILITY.rules])
@pytest.mark.parametrize("fired", [(), ("dementia",), ("risk",), ("dementia", "risk"), ("coma",), ("coma", "risk")])
@pytest.mark.parametrize("total", [90, 70, 50, 40, 10])
def test_each_clause_changes_each_level_as_the_rule_says(total: int, fired: tuple[str, ...], rule: str) -> None:
    evidence = {"coma": "A.5.11", "dementia": "A.4.1.1", "risk": "A.2.14.2"}
    answers = _reaching(ABILITY, "total", total) | {
        evidence[clause]: "2" if clause == "risk" else "1" for clause in fired
    }
    if answers["B.3.9"] == "0-coma":
        answers["B.3.9"] = "0-stupor"
    graded = score(ABILITY, answers, ABILITY.rule(rule))
    before = int(graded.results["preliminary-level"][0])
    raised = len(fired) if rule == "2022-each" else min(len(fired), 1)
    assert graded.clauses == fired
    assert graded.results["final-level"] == (str(4 if "coma" in fired else min(4, before + raised)),)


def test_every_cell_of_the_ltci_matrix_is_reached() -> None:
    ltci = INSTRUMENTS["ltci37"]
    matrix = next(each for each in ltci.rules[0].results if isinstance(each, Matrix))
    adl = {"intact": 100, "slight": 80, "moderate": 50, "severe": 20}
    cognition = {"intact": 16, "slight": 9, "moderate": 3, "severe": 1}
    for row, total in adl.items():
        for column, worst in cognition.items():
            answers = _reaching(ltci, "cognition", worst)
            _fill(ltci, "adl", total, answers)
            _fill(ltci, "perception", 12, answers)
            assert score(ltci, answers).results["level"] == (matrix.cells[row][column],)


def test_a_level_is_never_better_than_before_its_clauses() -> None:
    final = next(each for each in ABILITY.rules[0].results if isinstance(each, Raised))
    levels = codes_of(final.system)
    for golden in ABILITY.golden:
        if not golden.faults:
            graded = score(ABILITY, answers_of(ABILITY, golden), ABILITY.rule(golden.rule))
            before, after = (graded.results[each][0] for each in (final.of, final.code))
            assert levels.index(after) >= levels.index(before)


@given(st.sampled_from(list(INSTRUMENTS.values())), st.randoms(use_true_random=False))
def test_the_order_of_the_answers_never_matters(instrument: Instrument, chance: random.Random) -> None:
    asked = [link_id for link_id, item in instrument.items.items() if item.required]
    answers = [(link_id, _any_answer(instrument, link_id, chance)) for link_id in asked]
    rule = chance.choice(instrument.rules)
    shuffled = chance.sample(answers, len(answers))
    assert _outcome(instrument, dict(shuffled), rule.version) == _outcome(instrument, dict(answers), rule.version)


def _any_answer(instrument: Instrument, link_id: str, chance: random.Random) -> Answer:
    options = list(instrument.options[link_id])
    return chance.choice(options) if options else chance.randint(*instrument.ends(link_id))


def _outcome(instrument: Instrument, answers: dict[str, Answer], rule: str) -> object:
    try:
        return score(instrument, answers, instrument.rule(rule))
    except NotGradableError as error:
        return error.faults


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_each_missing_item_is_named(name: str) -> None:
    instrument = INSTRUMENTS[name]
    whole = next(answers_of(instrument, golden) for golden in instrument.golden if not golden.faults)
    for link_id, item in instrument.items.items():
        if item.required:
            with pytest.raises(NotGradableError) as error:
                score(instrument, {each: answer for each, answer in whole.items() if each != link_id})
            assert [(fault.link_id, fault.code) for fault in error.value.faults] == [(link_id, "required")]
            assert item.zh in error.value.faults[0].text


def test_an_item_that_the_instrument_does_not_have_is_named() -> None:
    whole = answers_of(ABILITY, ABILITY.golden[0])
    with pytest.raises(NotGradableError) as error:
        score(ABILITY, whole | {"B.9.9": "4"})
    assert [(fault.link_id, fault.code) for fault in error.value.faults] == [("B.9.9", "not-found")]


def test_the_codes_of_each_level_are_those_of_the_shipped_systems() -> None:
    systems = {result.system for each in INSTRUMENTS.values() for rule in each.rules for result in rule.results}
    assert [system for system in systems if not codes_of(system)] == []
    assert all(each.url.startswith(f"{CANONICAL}/Questionnaire/") for each in INSTRUMENTS.values())
