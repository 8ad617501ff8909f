"""What an instrument's file must be beyond its form: every name leads somewhere, every score that can be reached has a level.

What it says is for who writes the file; tests/architecture and the loader hold every file to it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from services.care.scoring.golden import differences
from services.care.scoring.instrument import Bands, Cases, Condition, Highest, Instrument, Matrix, Raised, Result, Rule
from services.care.scoring.results import codes_of


def problems(instrument: Instrument) -> tuple[str, ...]:
    """None for an instrument that is whole; what stands on something that is wrong is not looked at."""
    for look in (_items, _scores, _rules, _goldens):
        if found := tuple(look(instrument)):
            return found
    return ()


def reachable(instrument: Instrument, code: str) -> frozenset[int]:
    """Every value that an item or a score can have."""
    by_code = {score.code: score for score in instrument.scores}
    if code not in by_code:
        item = instrument.items[code]
        if item.min is not None and item.max is not None:
            return frozenset(range(item.min, item.max + 1))
        return frozenset(option.value for option in instrument.options[code].values() if option.value is not None)
    sums = frozenset({0})
    for of in by_code[code].of:
        values = reachable(instrument, of)
        if of in by_code[code].reversed:
            values = frozenset(min(values) + max(values) - value for value in values)
        sums = frozenset(before + value for before in sums for value in values)
    return sums


def _items(instrument: Instrument) -> Iterator[str]:
    link_ids = [group.link_id for group in instrument.groups]
    link_ids += [item.link_id for group in instrument.groups for item in group.items]
    yield from _twice("linkId", link_ids)
    for link_id, item in instrument.items.items():
        if isinstance(item.options, str) and item.options not in instrument.option_sets:
            yield f"{link_id}: no set of options is named {item.options}"
            continue
        options = item.options if not isinstance(item.options, str) else instrument.option_sets[item.options]
        yield from _twice(f"{link_id}: option", (option.key for option in options))
        if not options and (item.min is None or item.max is None):
            yield f"{link_id}: options are needed, or min and max"
        if when := item.enabled_when:
            yield from _answerable(instrument, link_id, when.item, when.answer)


def _scores(instrument: Instrument) -> Iterator[str]:
    known = set(instrument.items)
    yield from _twice("score or item", (*(score.code for score in instrument.scores), *instrument.items))
    for score in instrument.scores:
        for of in score.of:
            if of not in known:
                yield f"{score.code}: {of} is no item and no earlier score"
            elif of in instrument.items and not _counts(instrument, of):
                yield f"{score.code}: {of} does not always count: it is optional, or an option has no value"
        yield from (f"{score.code}: {of} is reversed and not counted" for of in score.reversed if of not in score.of)
        known.add(score.code)


def _counts(instrument: Instrument, link_id: str) -> bool:
    item, options = instrument.items[link_id], instrument.options.get(link_id, {})
    return item.required and item.enabled_when is None and all(option.value is not None for option in options.values())


def _rules(instrument: Instrument) -> Iterator[str]:
    yield from _twice("rule", (rule.version for rule in instrument.rules))
    for rule in instrument.rules:
        yield from _rule(instrument, rule)


def _rule(instrument: Instrument, rule: Rule) -> Iterator[str]:
    known: dict[str, Result] = {}
    yield from _twice(f"{rule.version}: result", (result.code for result in rule.results))
    for result in rule.results:
        where = f"{rule.version}, {result.code}"
        codes = codes_of(result.system)
        if not codes:
            yield f"{where}: no code system is named {result.system}"
        yield from (f"{where}: {result.system} has no code {code}" for code in _codes(result) if code not in codes)
        yield from (f"{where}: {problem}" for problem in _names(instrument, result, known))
        if isinstance(result, Bands) and result.of in _score_codes(instrument):
            yield from (f"{where}: {problem}" for problem in _banded(instrument, result))
        known[result.code] = result
    if rule.risk:
        yield from _risk(rule, known)


def _risk(rule: Rule, known: Mapping[str, Result]) -> Iterator[str]:
    assert rule.risk  # noqa: S101 - asked by the caller
    of = known.get(rule.risk.of)
    if of is None:
        yield f"{rule.version}, risk: {rule.risk.of} is no result"
    else:
        yield from (
            f"{rule.version}, risk: says nothing of {code}" for code in _codes(of) if code not in rule.risk.likely
        )


def _names(instrument: Instrument, result: Result, known: Mapping[str, Result]) -> Iterator[str]:
    scores = _score_codes(instrument)
    wanted: Iterable[str] = (result.is_of,) if result.is_of else ()
    match result:
        case Bands():
            wanted = (*wanted, result.of)
        case Matrix():
            axes = (result.rows, *result.columns)
            unknown = [name for name in axes if name not in scores | known.keys()]
            yield from (f"{name} is no score and no earlier result" for name in unknown)
            yield from () if unknown else _cells(instrument, result, known)
        case Cases():
            yield from (
                problem for case in result.cases for each in case.when for problem in _condition(instrument, each)
            )
        case Raised():
            clauses = codes_of(result.clause_system)
            yield from (
                f"{result.clause_system} has no code {clause.code}"
                for clause in result.clauses
                if clause.code not in clauses
            )
            yield from (
                problem for clause in result.clauses for each in clause.when for problem in _condition(instrument, each)
            )
            if result.of not in known:
                yield f"{result.of} is no earlier result"
        case Highest():
            wanted = (*wanted, *(name for choice in result.choices for name in choice.among))
    yield from (f"{name} is no score" for name in wanted if name not in scores)


def _cells(instrument: Instrument, result: Matrix, known: Mapping[str, Result]) -> Iterator[str]:
    def keys(name: str) -> set[str]:
        return {*_codes(known[name])} if name in known else {str(value) for value in reachable(instrument, name)}

    columns = {key for name in result.columns for key in keys(name)}
    for row in sorted(keys(result.rows)):
        missing = sorted(columns - result.cells.get(row, {}).keys())
        yield from (f"{row} has no cell {column}" for column in missing)


def _condition(instrument: Instrument, condition: Condition) -> Iterator[str]:
    if condition.of and condition.of not in _score_codes(instrument):
        yield f"{condition.of} is no score"
    if condition.item:
        yield from _answerable(instrument, "when", condition.item, condition.answer)
    if not condition.of and not condition.item:
        yield "a condition needs a score (of) or an item"


def _answerable(instrument: Instrument, where: str, link_id: str, answer: str) -> Iterator[str]:
    if link_id not in instrument.items or answer not in instrument.options[link_id]:
        yield f"{where}: {link_id} has no option {answer}"


def _banded(instrument: Instrument, result: Bands) -> Iterator[str]:
    covered = Counter(value for band in result.bands for value in range(band.from_, band.to + 1))
    twice = sorted(value for value, times in covered.items() if times > 1)
    if twice:
        yield f"two bands hold {twice[0]}"
    missing = sorted(reachable(instrument, result.of) - covered.keys())
    if missing and not result.has_gaps:
        yield f"no band holds {missing[0]}, which {result.of} can be"


def _codes(result: Result) -> tuple[str, ...]:
    match result:
        case Bands():
            return tuple(band.code for band in result.bands)
        case Matrix():
            return tuple(code for row in result.cells.values() for code in row.values())
        case Cases():
            return (*(case.code for case in result.cases), result.otherwise)
        case Raised():
            return tuple(clause.level for clause in result.clauses if clause.level)
        case Highest():
            return tuple(name for choice in result.choices for name in choice.among)


def _score_codes(instrument: Instrument) -> set[str]:
    return {score.code for score in instrument.scores}


def _goldens(instrument: Instrument) -> Iterator[str]:
    if not instrument.golden:
        yield "golden vectors are needed"
    for golden in instrument.golden:
        if instrument.rule(golden.rule) is None:
            yield f"{golden.says}: no rule {golden.rule}"
        else:
            yield from differences(instrument, golden)


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    yield from (f"{what} {name} stands twice" for name, times in Counter(names).items() if times > 1)
