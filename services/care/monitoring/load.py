"""The rules of monitoring: one a file, held to its golden vectors when it is read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from services.care.definition_files import check, decoded, definition_files
from services.care.monitoring.evaluate import evaluate, measures_of
from services.care.monitoring.rule import Bound, Event, Golden, Reading, Rule, Trend
from services.care.scoring.results import codes_of
from services.fhir.ucum import unit

NOON: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
"""The now of golden vectors."""


@cache
def load_rules(folder: Path | None = None) -> Mapping[str, Rule]:
    """Every rule by its code; those of a folder of one's own come before the shipped ones."""
    return {rule.code: rule for rule in map(read_rule, definition_files("services.care.monitoring", folder))}


def read_rule(file: Traversable) -> Rule:
    rule: Rule = decoded(file, Rule)
    check(file, rule.code, _problems(rule))
    return rule


def readings_of(golden: Golden) -> list[Reading]:
    return [
        Reading(f"{n}", code, value, of, NOON - timedelta(minutes=minutes))
        for n, (minutes, code, value, of) in enumerate(golden.readings)
    ]


def _problems(rule: Rule) -> Iterator[str]:
    if rule.code not in codes_of("alert-rule"):
        yield f"alert-rule has no code {rule.code}"
    for measure in measures_of(rule):
        if unit(measure.unit) is None:
            yield f"{measure.unit} is no unit of UCUM"
        elif isinstance(measure, Bound):
            yield from _bound(measure)
    if isinstance(rule, Trend) and rule.rise is None and rule.fall is None:
        yield "a trend rises or falls"
    if isinstance(rule, Event) and rule.golden:
        yield "no reading says anything of an event"
    elif not rule.golden and not isinstance(rule, Event):
        yield "golden vectors are needed"
    for golden in rule.golden:
        yield from _golden(rule, golden)


def _bound(bound: Bound) -> Iterator[str]:
    limits = [each for each in (bound.at_least, bound.above, bound.at_most, bound.below) if each is not None]
    if len(limits) != 1:
        yield "a bound is one of atLeast, above, atMost, below"
    elif (bound.until > limits[0]) if bound.is_upper else (bound.until < limits[0]):
        yield f"until {bound.until} lies beyond the bound {limits[0]}"


def _golden(rule: Rule, golden: Golden) -> Iterator[str]:
    found = evaluate(rule, readings_of(golden), NOON, is_open=golden.is_open)
    if (found.state, len(found.unusable)) != (golden.state, golden.unusable):
        yield f"{golden.says}: {found.state} with {len(found.unusable)} unusable, not {golden.state} with {golden.unusable}"
