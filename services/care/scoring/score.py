"""Answers to scores, levels and the clauses that fired: pure, and the same whatever the order of the answers."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from services.care.scoring.instrument import Answer, Instrument, Item, Rule
from services.care.scoring.results import Marks, results_of

__all__ = ["Fault", "Graded", "NotGradableError", "score"]


class Fault(msgspec.Struct, frozen=True):
    """Why answers cannot be graded: the item, an issue type of R4, and the words for engineers and people."""

    link_id: str
    code: str
    diagnostics: str
    text: str


class NotGradableError(Exception):
    """The answers have no level; each fault names its item."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.link_id}: {fault.diagnostics}" for fault in faults))
        self.faults = faults


class Graded(msgspec.Struct, frozen=True):
    """What answers amount to under one rule. A result has one code, several where types tie, none where none matches."""

    rule: str
    items: Mapping[str, int]
    scores: Mapping[str, int]
    results: Mapping[str, tuple[str, ...]]
    clauses: tuple[str, ...]


_UNANSWERED: Final = ("required", "no answer", "未作答，不能评定")
_NO_OPTION: Final = ("code-invalid", "the answer is none of the options", "答案不在选项之内")
_NO_NUMBER: Final = ("value", "a whole number is asked for", "应为整数")
_OUT_OF_RANGE: Final = ("value", "out of range", "超出范围")
_NOT_ASKED: Final = ("business-rule", "not asked after the other answers", "按其他答案，此项不应作答")
_UNKNOWN: Final = ("not-found", "the instrument has no such item", "量表中没有此项")


def score(instrument: Instrument, answers: Mapping[str, Answer], rule: Rule | None = None) -> Graded:
    """Raise NotGradableError with every item that is unanswered, out of range or not of the instrument."""
    by = rule or instrument.rules[0]
    if faults := tuple(_faults(instrument, answers)):
        raise NotGradableError(faults)
    items = {
        link_id: value for link_id in instrument.items if (value := _value(instrument, answers, link_id)) is not None
    }
    scores = _scores(instrument, items)
    marks = results_of(by, Marks(scores, answers))
    if marks.undefined:
        of = _item_of(instrument, marks.undefined)
        words = (f"{by.version} defines no level for {marks.undefined}", f"{by.zh}没有与该分数对应的等级")
        raise NotGradableError((Fault(of, "business-rule", *words),))
    return Graded(by.version, items, scores, marks.results, marks.clauses)


def _faults(instrument: Instrument, answers: Mapping[str, Answer]) -> Iterator[Fault]:
    for link_id, item in instrument.items.items():
        if problem := _problem(instrument, item, answers):
            code, diagnostics, text = problem
            yield Fault(link_id, code, diagnostics, f"{item.zh}：{text}")
    for link_id in sorted(answers.keys() - instrument.items.keys()):
        code, diagnostics, text = _UNKNOWN
        yield Fault(link_id, code, diagnostics, text)


def _problem(instrument: Instrument, item: Item, answers: Mapping[str, Answer]) -> tuple[str, str, str] | None:
    answer, options = answers.get(item.link_id), instrument.options[item.link_id]
    when = item.enabled_when
    if when and answers.get(when.item) != when.answer:
        return None if answer is None else _NOT_ASKED
    if answer is None:
        return _UNANSWERED if item.required else None
    if options:
        return None if answer in options else _NO_OPTION
    if isinstance(answer, str):
        return _NO_NUMBER
    is_within = (item.min is None or item.min <= answer) and (item.max is None or answer <= item.max)
    return None if is_within else _OUT_OF_RANGE


def _value(instrument: Instrument, answers: Mapping[str, Answer], link_id: str) -> int | None:
    answer = answers.get(link_id)
    return instrument.options[link_id][answer].value if isinstance(answer, str) else answer


def _scores(instrument: Instrument, items: Mapping[str, int]) -> dict[str, int]:
    scores: dict[str, int] = {}
    for each in instrument.scores:
        total = 0
        for of in each.of:
            if of in each.reversed:
                total += sum(instrument.ends(of)) - items[of]
            else:
                total += items[of] if of in items else scores[of]
        scores[each.code] = total
    return scores


def _item_of(instrument: Instrument, score_code: str) -> str:
    """The item to name for a score: the only one that it counts, or the first."""
    of = next(each.of[0] for each in instrument.scores if each.code == score_code)
    return of if of in instrument.items else _item_of(instrument, of)
