"""What is told of an indicator as a MeasureReport: http://hl7.org/fhir/R4/measurereport.html

A number that is too small to be told is masked (http://hl7.org/fhir/R4/extension-data-absent-reason.html); a score stands where both its numbers do.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.care.indicators.indicator import DENOMINATOR, NUMERATOR, Figure, Indicator, Target
from services.care.indicators.measure import group_code, improvement, population_code
from services.care.indicators.period import Period
from services.care.indicators.suppression import TOTAL
from services.care.indicators.table import UNKNOWN, Table, Told, county_of
from services.care.indicators.targets import division_of, target_for
from services.fhir.elements import CANONICAL
from services.fhir.store.places import Place

Json = dict[str, Any]

TARGET: Final = f"{CANONICAL}/StructureDefinition/measure-target"
PLACE: Final = f"{CANONICAL}/CodeSystem/measure-stratifier"
DIVISION: Final = f"{CANONICAL}/CodeSystem/gbt-2260"
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UCUM: Final = "http://unitsofmeasure.org"
_DIGITS: Final = Decimal("0.0001")


class Asked(msgspec.Struct, frozen=True):
    """For whom, of which institutions, of when; `place` is the one institution, `whole` the county (or all) that is told with its parts."""

    indicator: Indicator
    period: Period
    reporter: str
    at: datetime
    shown: Sequence[Place]
    place: str | None
    whole: str
    targets: Sequence[Target]


def report(asked: Asked, tables: Sequence[Table]) -> Json:
    """R4 lets no Organization be the subject: the figures of one institution name it as their reporter."""
    return {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"{asked.indicator.url}|{asked.indicator.version}",
        "date": asked.at.isoformat(timespec="seconds"),
        "reporter": {"reference": f"Organization/{asked.place or asked.reporter}"},
        "period": {"start": asked.period.start.isoformat(), "end": asked.period.end.isoformat()},
        "improvementNotation": improvement(asked.indicator.groups[0]),
        "group": [_group(asked, each) for each in tables],
    }


def _group(asked: Asked, table: Table) -> Json:
    told = table.of(asked.place or asked.whole)
    score = _score(table.group, told)
    divisions = division_of(place.division for place in asked.shown)
    target = target_for(asked.targets, asked.indicator.name, table.group.code, divisions, asked.period.end.year)
    stratifiers = [] if asked.place else [*_stratifiers(asked, table)]
    return {
        **({"extension": [_target(target, score)]} if target else {}),
        "code": group_code(table.group),
        "population": [*_populations(table.group, told)],
        **({"measureScore": _quantity(score, table.group)} if score is not None else {}),
        **({"stratifier": stratifiers} if stratifiers else {}),
    }


def _stratifiers(asked: Asked, table: Table) -> Iterator[Json]:
    counties = sorted({(county_of(place), place.division) for place in asked.shown})
    if asked.whole == TOTAL and len(counties) > 1:
        values = [(name, _place(DIVISION, division or UNKNOWN, division or "未注明")) for name, division in counties]
        yield _stratifier("county", "区县 · County", values, table)
    institutions = [(p.id, _place(f"{CANONICAL}/Organization", p.id, p.name)) for p in asked.shown]
    yield _stratifier("institution", "机构 · Institution", institutions, table)


def _place(system: str, code: str, text: str) -> Json:
    return {"coding": [{"system": system, "code": code}], "text": text}


def _stratifier(code: str, text: str, values: Sequence[tuple[str, Json]], table: Table) -> Json:
    return {
        "code": [{"coding": [{"system": PLACE, "code": code}], "text": text}],
        "stratum": [_stratum(table.group, value, table.of(name)) for name, value in values],
    }


def _stratum(group: Figure, value: Json, told: Told) -> Json:
    score = _score(group, told)
    measured = {"measureScore": _quantity(score, group)} if score is not None else {}
    return {"value": value, "population": [*_populations(group, told)], **measured}


def _populations(group: Figure, told: Told) -> Iterator[Json]:
    if group.numerator is None:
        yield _population("initial-population", told.denominator)
    else:
        yield _population(DENOMINATOR, told.denominator)
        yield _population(NUMERATOR, told.numerator)


def _population(code: str, number: int | None) -> Json:
    if number is None:
        return {"code": population_code(code), "_count": {"extension": [{"url": _ABSENT, "valueCode": "masked"}]}}
    return {"code": population_code(code), "count": number}


def _score(group: Figure, told: Told) -> Decimal | None:
    """None too where there is nothing of which it could be a share."""
    if group.numerator is None:
        return None if told.denominator is None else Decimal(told.denominator)
    if told.numerator is None or not told.denominator:
        return None
    return (Decimal(told.numerator) / told.denominator).quantize(_DIGITS)


def _quantity(score: Decimal, group: Figure) -> Json:
    return {"value": score, "system": _UCUM, "code": group.unit}


def _target(target: Target, score: Decimal | None) -> Json:
    limits = {"atLeast": target.at_least, "atMost": target.at_most, "above": target.above}
    parts = [{"url": name, "valueDecimal": value} for name, value in limits.items() if value is not None]
    parts.append({"url": "from", "valueInteger": target.from_})
    if score is not None:
        parts.append({"url": "met", "valueBoolean": target.is_met(score)})
    if target.source:
        parts.append({"url": "source", "valueString": target.source})
    parts.append({"url": "confidence", "valueCode": target.confidence})
    return {"url": TARGET, "extension": parts}
