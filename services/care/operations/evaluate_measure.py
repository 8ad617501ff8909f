"""Measure/$evaluate-measure: an indicator of an institution, a county or all that one supervises, for a period.

http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html · docs/indicators.md

It is computed each time and stored nowhere (docs/adr/0038).
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import jiter
import msgspec

from services.care.indicators.indicator import Indicator, Target
from services.care.indicators.period import Period
from services.care.indicators.reach import Reach, Supervisors, reach_of
from services.care.indicators.report import Asked, report
from services.care.indicators.suppression import TOTAL
from services.care.indicators.table import count, county_of, guarded, table
from services.fhir.access.access import PARTIES
from services.fhir.operations.inputs import Inputs, invalid, read_inputs, resource_answer
from services.fhir.operations.operation import Handler
from services.fhir.outcomes import FhirError, forbidden, not_found, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ
from services.fhir.search.dates import parse_range
from services.fhir.service import Service
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]

KNOWN: Final = frozenset({"measure", "periodStart", "periodEnd", "reportType", "subject"})
SUMMARY: Final = frozenset({"summary", "population"})
"""R4 names the type of a report by the first, its operation by the second."""
_LISTS: Final = frozenset({"subject", "subject-list", "patient-list", "individual"})
_DIVISION: Final = "https://yiyang.example/fhir/StructureDefinition/division-code"
_COUNTY: Final = 6
EARLIEST, LATEST = 1949, 2199
_INSTANT: Final = timedelta(microseconds=1)


class Kept(msgspec.Struct, frozen=True):
    """What the operation is made with: the indicators by name, the targets, the supervisors of divisions, the smallest number that is told."""

    indicators: Mapping[str, Indicator]
    targets: tuple[Target, ...]
    supervisors: Supervisors
    smallest: int


class Question(msgspec.Struct, frozen=True):
    """One call: for `organization`, of `subject` as it was sent."""

    indicator: Indicator
    period: Period
    kind: str
    subject: str | None
    organization: str
    at: datetime


def evaluating(kept: Kept) -> Handler:
    async def evaluate_measure(request: FhirRequest, service: Service) -> Answer:
        _check_caller(request)
        question = _question(request, service, kept)
        stores = service.as_platform().stores
        found = await stores.reading(lambda store: evaluate(store, question, kept, service.zone))
        await service.stores.audit_log.record(request.audit("evaluate-measure", 200))
        return resource_answer(found)

    return evaluate_measure


async def evaluate(store: Store, question: Question, kept: Kept, zone: ZoneInfo) -> Json:
    """The report, from a store that sees as the platform does."""
    subject, division = await _subject(question.subject, store)
    reach = await reach_of(store, question.organization, subject, division, kept.supervisors, question.at)
    _check_type(question.kind, reach)
    if not reach.is_own:
        _check_year(question.period)
    indicator = question.indicator
    counts = await count(store, indicator, reach.whole, question.period, zone)
    tables = [table(group, counts, reach.whole) for group in indicator.groups]
    if not reach.is_own and indicator.about == "persons":
        tables = [guarded(each, kept.smallest) for each in tables]
    place = reach.shown[0].id if subject or reach.is_own else None
    whole = county_of(reach.shown[0]) if division else TOTAL
    at = question.at.astimezone(zone)
    asked = Asked(indicator, question.period, question.organization, at, reach.shown, place, whole, kept.targets)
    return report(asked, tables)


def _question(request: FhirRequest, service: Service, kept: Kept) -> Question:
    inputs = read_inputs(request)
    inputs.check_known(KNOWN)
    return Question(
        indicator=_indicator(inputs, request, kept),
        period=_period(inputs, request, service),
        kind=inputs.text("reportType") or "summary",
        subject=inputs.text("subject"),
        organization=request.caller.organization,
        at=request.at,
    )


def _check_caller(request: FhirRequest) -> None:
    """Figures are an organization's, and are read as MeasureReports."""
    kind = (request.caller.practitioner or "").partition("/")[0]
    if kind in PARTIES:
        raise forbidden("Figures are told to institutions", text="指标仅提供给机构")
    check_whole(request.caller, "MeasureReport", READ)


def _indicator(inputs: Inputs, request: FhirRequest, kept: Kept) -> Indicator:
    named = request.id or (inputs.text("measure") or "").partition("|")[0].rpartition("/")[2]
    if not named:
        raise invalid("measure", "a measure is needed", "须注明指标")
    if (found := kept.indicators.get(named)) is None:
        raise not_found("No such measure is computed here", text="没有这个指标")
    return found


def _period(inputs: Inputs, request: FhirRequest, service: Service) -> Period:
    """Whole days; of a month or a year its first and its last."""
    start, end = (_bound(inputs, name, side, service) for side, name in enumerate(("periodStart", "periodEnd")))
    if start.year < EARLIEST or end.year > LATEST:
        raise invalid("periodStart", f"between {EARLIEST} and {LATEST}", f"应在 {EARLIEST} 至 {LATEST} 年之间")
    if end < start:
        raise invalid("periodEnd", "it lies before periodStart", "结束日期早于开始日期")
    return Period(start, end, request.at.astimezone(service.zone).date())


def _bound(inputs: Inputs, name: str, side: int, service: Service) -> date:
    text = inputs.text(name)
    if not text:
        raise invalid(name, "a date is needed", "须注明日期")
    try:
        bounds = parse_range(text, service.zone)
        return (bounds[0] if side == 0 else bounds[1] - _INSTANT).astimezone(service.zone).date()
    except (ValueError, OverflowError) as error:
        raise invalid(name, "not a date", "应为日期") from error


async def _subject(text: str | None, store: Store) -> tuple[str | None, str | None]:
    """An institution, or the county in which a place lies."""
    kind, _, resource_id = (text or "").rpartition("/")
    if text is None:
        return None, None
    if kind.rpartition("/")[2] == "Organization":
        return resource_id, None
    if kind.rpartition("/")[2] == "Location" and (found := await store.read("Location", resource_id)) and found.body:
        division = _division(jiter.from_json(found.body.encode()))
        if division:
            return None, division
    raise _unsuited(
        "an Organization, or a Location with the six digits of its county", "应为机构，或注明区县代码的地点"
    )


def _division(location: Json) -> str | None:
    codes = (
        e.get("valueCode", "") for e in location.get("address", {}).get("extension", ()) if e.get("url") == _DIVISION
    )
    return next((code for code in codes if len(code) == _COUNTY), None)


def _check_type(kind: str, reach: Reach) -> None:
    if kind in SUMMARY:
        return
    if kind not in _LISTS:
        raise invalid("reportType", "summary", "应为 summary")
    if not reach.is_own:
        raise forbidden("A supervisor is told no persons", text="监管机构只能查看汇总数据，不能查看个人名单")
    raise invalid("reportType", "only summary is answered here", "此处仅提供汇总报告")


def _check_year(period: Period) -> None:
    """From periods of one's own choice that overlap what is hidden could be computed."""
    if not period.is_year:
        raise unprocessable(
            "A supervisor's period is one calendar year",
            code="not-supported",
            text="监管机构的统计周期须为一个自然年",
            expression=("periodStart", "periodEnd"),
        )


def _unsuited(diagnostics: str, text: str) -> FhirError:
    return unprocessable(f"subject: {diagnostics}", code="not-supported", text=text, expression=("subject",))
