"""An indicator as the Measure that is published: http://hl7.org/fhir/R4/measure.html

Its criteria are the very searches that count, as `application/x-fhir-query` (http://hl7.org/fhir/R4/valueset-expression-language.html).
"""

from collections.abc import Iterator
from typing import Any, Final

from services.care.indicators.indicator import DENOMINATOR, NUMERATOR, Figure, Indicator, Population

Json = dict[str, Any]

TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_SCORING: Final = {"share": "proportion", "mean": "ratio", "number": "cohort"}
_NAMES: Final = {DENOMINATOR: "Denominator", NUMERATOR: "Numerator", "initial-population": "Initial Population"}


def measure(indicator: Indicator) -> Json:
    scoring = _SCORING[indicator.groups[0].kind]
    return {
        "resourceType": "Measure",
        "id": indicator.name,
        "language": "zh-CN",
        "url": indicator.url,
        "version": indicator.version,
        "name": "".join(part.capitalize() for part in indicator.name.split("-")),
        "title": f"{indicator.zh} · {indicator.en}",
        "status": "active",
        "experimental": False,
        "subjectCodeableConcept": {
            "coding": [
                {"system": "http://hl7.org/fhir/resource-types", "code": "Organization", "display": "Organization"}
            ]
        },
        "publisher": "医养 Yiyang",
        "description": indicator.source,
        "scoring": {"coding": [{"system": f"{TERMINOLOGY}/measure-scoring", "code": scoring}]},
        "improvementNotation": improvement(indicator.groups[0]),
        "group": [_group(each) for each in indicator.groups],
    }


def improvement(group: Figure) -> Json:
    code = "increase" if group.better == "higher" else "decrease"
    return {"coding": [{"system": f"{TERMINOLOGY}/measure-improvement-notation", "code": code}]}


def population_code(code: str) -> Json:
    return {"coding": [{"system": f"{TERMINOLOGY}/measure-population", "code": code, "display": _NAMES[code]}]}


def group_code(group: Figure) -> Json:
    return {"text": f"{group.zh} · {group.en}"}


def populations(group: Figure) -> Iterator[tuple[str, Population]]:
    """What is counted, by its code: http://terminology.hl7.org/CodeSystem/measure-population"""
    if group.numerator is None:
        yield "initial-population", group.denominator
    else:
        yield DENOMINATOR, group.denominator
        yield NUMERATOR, group.numerator


def _group(group: Figure) -> Json:
    unsure = f"；{group.assumes}" if group.assumes else ""
    marked = (
        {"description": f"可信度 Confidence {group.confidence}{unsure}"} if group.confidence != "H" or unsure else {}
    )
    return {
        "code": group_code(group),
        **marked,
        "population": [_population(code, each) for code, each in populations(group)],
    }


def _population(code: str, population: Population) -> Json:
    return {
        "code": population_code(code),
        "description": f"{population.zh} · {population.en}",
        "criteria": {
            "description": _besides(population),
            "language": "application/x-fhir-query",
            "expression": " | ".join(population.query),
        },
    }


def _besides(population: Population) -> str:
    """What is asked besides the searches, of which any counts where there are several."""
    told = [f"counted as {population.of} by {population.by}"]
    if population.total:
        told.append(f"{population.total} added up")
    if population.reached:
        within = (
            f" within {population.reached.minutes} min of being sent" if population.reached.minutes is not None else ""
        )
        told.append(f"ever {' or '.join(population.reached.states)}{within}")
    if population.read_elsewhere:
        told.append(f"read by another institution: {', '.join(population.read_elsewhere)}")
    if population.within_hours is not None:
        told.append(f"first written within {population.within_hours} h of its date")
    return "; ".join(told)
