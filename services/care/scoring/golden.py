"""A golden vector's answers spelled out, and whether scoring them gives what it says."""

from collections.abc import Iterator

from services.care.scoring.instrument import Answer, Golden, Instrument
from services.care.scoring.score import NotGradableError, score


def answers_of(instrument: Instrument, golden: Golden) -> dict[str, Answer]:
    """`*` first, then groups, then single items, whatever their order in the file; a value stands for the option that has it."""
    answers: dict[str, Answer] = {}
    groups = {group.link_id: [item.link_id for item in group.items] for group in instrument.groups}
    width = {"*": 0} | dict.fromkeys(groups, 1)
    for name, answer in sorted(golden.answers.items(), key=lambda pair: width.get(pair[0], 2)):
        is_many = name in width
        for link_id in groups.get(name, list(instrument.items) if name == "*" else [name]):
            found = None if answer is None else _answer(instrument, link_id, answer)
            if found is not None:
                answers[link_id] = found
            elif not is_many or answer is None:
                answers.pop(link_id, None)
    return answers


def differences(instrument: Instrument, golden: Golden) -> Iterator[str]:
    """What comes out other than the vector says."""
    try:
        graded = score(instrument, answers_of(instrument, golden), instrument.rule(golden.rule))
    except NotGradableError as error:
        found = {fault.link_id: fault.code for fault in error.faults}
        if found != golden.faults:
            yield f"{golden.says}: faults {found}, not {golden.faults}"
        return
    if golden.faults:
        yield f"{golden.says}: graded, though {golden.faults} is wrong"
    for code, value in golden.scores.items():
        if graded.scores[code] != value:
            yield f"{golden.says}: {code} is {graded.scores[code]}, not {value}"
    for code, expected in golden.results.items():
        codes = (expected,) if isinstance(expected, str) else expected
        if graded.results[code] != codes:
            yield f"{golden.says}: {code} is {graded.results[code]}, not {codes}"
    if golden.clauses is not None and graded.clauses != golden.clauses:
        yield f"{golden.says}: clauses {graded.clauses}, not {golden.clauses}"


def _answer(instrument: Instrument, link_id: str, answer: Answer) -> Answer | None:
    """None where a rule for many items says nothing about this one."""
    options = instrument.options.get(link_id, {})
    if not options:
        return answer if link_id not in instrument.items or not isinstance(answer, str) else None
    if answer in ("best", "worst"):
        least, most = (end for end in _ends(instrument, link_id))
        answer = most if answer == "best" else least
    if isinstance(answer, str):
        return answer
    return next((key for key, option in options.items() if option.value == answer), None)


def _ends(instrument: Instrument, link_id: str) -> tuple[int, int]:
    has_values = any(option.value is not None for option in instrument.options[link_id].values())
    return instrument.ends(link_id) if has_values else (0, 0)
