"""The indicators and their targets: those that care ships, and those of a folder and a file of one's own, which come before them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from services.care.definition_files import DefinitionError, check, decoded, definition_files
from services.care.indicators.indicator import Figure, Indicator, Population, Target
from services.care.indicators.period import Period, written
from services.fhir.outcomes import FhirError
from services.fhir.search.parse import parse_criteria
from services.fhir.search.query import SearchQuery
from services.fhir.search.registry import search_parameters
from services.fhir.store.figures import AUTHOR, FIRST_OWNER, ITSELF

_ANY_YEAR = Period(date(2024, 1, 1), date(2024, 12, 31), date(2024, 12, 31))


@cache
def load_indicators(folder: Path | None = None) -> Mapping[str, Indicator]:
    """Every indicator by its name. Raise DefinitionError at the first file that is wrong."""
    return {each.name: each for each in map(read_indicator, definition_files("services.care.indicators", folder))}


@cache
def load_targets(own: Path | None = None) -> tuple[Target, ...]:
    """One's own come first: of two for the same year and division the first counts."""
    shipped = files("services.care.indicators").joinpath("targets.json")
    return tuple(target for file in ([own] if own else []) + [shipped] for target in _read_targets(file))


def read_indicator(file: Traversable) -> Indicator:
    indicator: Indicator = decoded(file, Indicator)
    check(file, indicator.name, _problems(indicator))
    return indicator


def searches(population: Population, period: Period) -> tuple[SearchQuery, ...]:
    """The searches that find what is counted, all of one type."""
    texts = (written(query, period) for query in population.query)
    return tuple(_search(*text.split("?", 1)) for text in texts)


def _search(resource_type: str, criteria: str) -> SearchQuery:
    """No criteria: all of the type."""
    if not criteria:
        return SearchQuery(resource_type)
    return parse_criteria(resource_type, criteria, now=datetime.now(UTC))


def _read_targets(file: Traversable) -> tuple[Target, ...]:
    found: tuple[Target, ...] = decoded(file, tuple[Target, ...])
    for target in found:
        if sum(each is not None for each in (target.at_least, target.at_most, target.above)) != 1:
            raise DefinitionError(f"{file.name}: a target of {target.measure} is one of atLeast, atMost, above")
    return found


def _problems(indicator: Indicator) -> Iterator[str]:
    if not indicator.groups:
        yield "an indicator has a group"
    for group in indicator.groups:
        if (group.numerator is None) != (group.kind == "number"):
            yield f"{group.code}: a share and a mean have a numerator, a number has none"
        yield from (problem for each in _populations(group) for problem in _unknown(each))


def _populations(group: Figure) -> Iterator[Population]:
    yield group.denominator
    if group.numerator is not None:
        yield group.numerator


def _unknown(population: Population) -> Iterator[str]:
    types = {query.partition("?")[0] for query in population.query}
    if len(types) != 1 or not all("?" in query for query in population.query):
        yield f"{population.en}: the searches are of one type, with criteria"
        return
    try:
        searches(population, _ANY_YEAR)
    except FhirError as error:
        yield f"{population.en}: {error}"
    parameter = search_parameters(types.pop()).get(population.by)
    if population.by not in (ITSELF, AUTHOR, FIRST_OWNER) and (parameter is None or parameter.type != "reference"):
        yield f"{population.en}: {population.by} is no reference parameter"
