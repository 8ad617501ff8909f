"""What is known of an elder that calls for plans: levels and risks of assessments that count, diagnoses, falls; and the plans that they call for."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

import msgspec

from services.care.plans.load import OURS, Plans, system_of
from services.care.plans.plan import Plan
from services.care.plans.reading import Reader

Json = dict[str, Any]

_ACTIVE: Final = "active,recurrence,relapse"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
_NATIONAL: Final = "urn:oid:2.16.156.10011.2.3.3.11.3"
"""ICD-10 as the national standard codes it; its categories are the same."""


class Finding(msgspec.Struct, frozen=True):
    """`of` is the instrument's system that a result comes from; `source` the `Type/id` that says so, empty of what a caller says itself."""

    system: str
    code: str
    of: str = ""
    source: str = ""


class Chosen(msgspec.Struct, frozen=True):
    plan: Plan
    because: tuple[Finding, ...]


async def findings_of(patient: str, today: date, reader: Reader) -> list[Finding]:
    """As far as the caller may see."""
    about = ("patient", patient)
    results = await reader.first("Observation", [about, ("category", "survey"), ("_sort", "-date")], 200)
    conditions = await reader.search("Condition", [about, ("clinical-status", _ACTIVE)])
    alerts = await reader.search("DetectedIssue", [about, ("code", f"{OURS}alert-rule|fall")])
    found = [*_results(results, today)]
    found += [each for condition in conditions for each in _coded(condition, "code", "Condition")]
    return found + [each for alert in alerts for each in _coded(alert, "code", "DetectedIssue")]


def chosen(plans: Plans, findings: Iterable[Finding]) -> list[Chosen]:
    """Each plan of the library that any finding calls for, in the order of the library."""
    found = [*findings]
    picked = (Chosen(plan, tuple(each for each in found if _calls_for(plan, each))) for plan in plans.values())
    return [each for each in picked if each.because]


def _calls_for(plan: Plan, finding: Finding) -> bool:
    return any(
        finding.system == system_of(when)
        and when.is_met(finding.code)
        and when.of in ("", finding.of.removeprefix(OURS))
        for when in plan.when
    )


def _results(observations: Iterable[Json], today: date) -> Iterator[Finding]:
    """The newest of each kind; none whose time is over or that does not count."""
    seen: set[str] = set()
    for each in observations:
        coding: Json = next(iter(each["code"].get("coding", ())), {})
        kind = f"{coding.get('system')}|{coding.get('code')}"
        ends = each.get("effectivePeriod", {}).get("end", "9999")[:10]
        if kind in seen or each["status"] not in ("final", "amended", "corrected") or ends < today.isoformat():
            continue
        seen.add(kind)
        yield from _coded(each, "valueCodeableConcept", "Observation", str(coding.get("system", "")))


def _coded(resource: Json, element: str, kind: str, of: str = "") -> Iterator[Finding]:
    for coding in resource.get(element, {}).get("coding", ()):
        if "code" in coding:
            system = coding.get("system", "")
            yield Finding(ICD10 if system == _NATIONAL else system, coding["code"], of, f"{kind}/{resource['id']}")
