"""How each kind of result follows from scores and answers: bands, matrices, cases, clauses, the highest of several."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from services.care.scoring.instrument import Answer, Bands, Cases, Condition, Highest, Matrix, Raised, Rule
from services.fhir.elements import CANONICAL
from services.fhir.terminology.shipped import shipped_system


class Marks:
    """Scores and answers, and the results as they are reached; `undefined` is the score for which a rule has no level."""

    def __init__(self, scores: Mapping[str, int], answers: Mapping[str, Answer]) -> None:
        self.scores = scores
        self.answers = answers
        self.results: dict[str, tuple[str, ...]] = {}
        self.systems: dict[str, str] = {}
        self.verdicts: dict[str, str] = {}
        self.clauses: tuple[str, ...] = ()
        self.undefined = ""

    def is_met(self, condition: Condition) -> bool:
        if condition.item and self.answers.get(condition.item) != condition.answer:
            return False
        if not condition.of:
            return True
        value = self.scores[condition.of]
        return (condition.at_least is None or value >= condition.at_least) and (
            condition.at_most is None or value <= condition.at_most
        )

    def key(self, name: str) -> str:
        """A result's code, or a score as text."""
        return self.results[name][0] if name in self.results else str(self.scores[name])

    def rank(self, name: str) -> int:
        """The place in the order of its system, from best to worst; of a score its value."""
        if name in self.systems:
            return codes_of(self.systems[name]).index(self.results[name][0])
        return self.scores[name]


@cache
def codes_of(system: str) -> tuple[str, ...]:
    """The codes of one of the platform's systems in their order; none where there is no such system."""
    found = shipped_system(f"{CANONICAL}/CodeSystem/{system}")
    return tuple(found.concepts) if found else ()


def results_of(rule: Rule, marks: Marks) -> Marks:
    for result in rule.results:
        codes = _KINDS[type(result)](result, marks)
        if codes is None:
            return marks
        marks.results[result.code] = codes
        marks.systems[result.code] = result.system
        if result.is_of and codes:
            marks.verdicts[result.is_of] = codes[0]
    return marks


def _bands(result: Bands, marks: Marks) -> tuple[str, ...] | None:
    value = marks.scores[result.of]
    for band in result.bands:
        if band.from_ <= value <= band.to:
            return (band.code,)
    marks.undefined = result.of
    return None


def _matrix(result: Matrix, marks: Marks) -> tuple[str, ...]:
    worst = max(result.columns, key=marks.rank)
    return (result.cells[marks.key(result.rows)][marks.key(worst)],)


def _cases(result: Cases, marks: Marks) -> tuple[str, ...]:
    holding = (case.code for case in result.cases if all(map(marks.is_met, case.when)))
    return (next(holding, result.otherwise),)


def _raised(result: Raised, marks: Marks) -> tuple[str, ...]:
    """GB/T 42195-2022, C.4: a level that a clause sets counts before all that raise."""
    fired = [clause for clause in result.clauses if any(map(marks.is_met, clause.when))]
    marks.clauses = tuple(clause.code for clause in fired)
    set_ = [clause.level for clause in fired if clause.level]
    if set_:
        return (set_[0],)
    levels = codes_of(result.system)
    steps = [clause.raise_ for clause in fired]
    up = (sum(steps) if result.add_up else max(steps)) if steps else 0
    return (levels[min(levels.index(marks.results[result.of][0]) + up, len(levels) - 1)],)


def _highest(result: Highest, marks: Marks) -> tuple[str, ...]:
    for choice in result.choices:
        found = [name for name in choice.among if marks.verdicts.get(name) in choice.verdicts]
        if found:
            most = max(marks.scores[name] for name in found)
            return tuple(sorted(name for name in found if marks.scores[name] == most))
    return ()


_KINDS: Final[Mapping[type, Callable[[Any, Marks], tuple[str, ...] | None]]] = {
    Bands: _bands,
    Matrix: _matrix,
    Cases: _cases,
    Raised: _raised,
    Highest: _highest,
}
