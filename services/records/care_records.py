"""What is wrong with a record of care although R4 accepts it: a clock ahead, a unit that compares with nothing, a wrong number (docs/care-records.md).

$validate tells it, $ingest refuses it.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.fhir.outcomes import Issue
from services.fhir.search.dates import parse_range
from services.fhir.service import Advice
from services.fhir.ucum import UCUM, unit
from services.kit.identifiers import Fault
from services.records.identifiers import about_identifier, issue

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
AHEAD: Final = timedelta(minutes=10)
"""By how much a device's clock may be ahead of ours."""

UNITS: Final[Mapping[str, str]] = {
    "8480-6": "mm[Hg]",
    "8462-4": "mm[Hg]",
    "8867-4": "/min",
    "9279-1": "/min",
    "8310-5": "Cel",
    "2708-6": "%",
    "59408-5": "%",
    "29463-7": "kg",
    "8302-2": "cm",
    "39156-5": "kg/m2",
    "14771-0": "mmol/L",
    "14743-9": "mmol/L",
}
"""By LOINC code, the unit that a value must be comparable with; blood pressure (85354-9) has components."""

_TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "Observation": ("effective", "issued"),
    "Procedure": ("performed",),
    "MedicationAdministration": ("effective",),
    "AdverseEvent": ("date", "detected", "recordedDate"),
    "Composition": ("date",),
}
_FORMS: Final = ("", "DateTime", "Instant", "Period")
_IN_FUTURE: Final = Fault(
    "later than now; the clock of the device or computer is ahead", "晚于当前时间，请核对设备或电脑的时钟"
)


def examine_record(resource: Json, now: datetime) -> tuple[Issue, ...]:
    return (*_about_times(resource, now), *_about_units(resource), *_about_numbers(resource, now))


def _about_times(resource: Json, now: datetime) -> Iterator[Issue]:
    root = resource["resourceType"]
    for name in _TIMES[root]:
        values = [resource[f"{name}{form}"] for form in _FORMS if f"{name}{form}" in resource]
        texts = [text for value in values for text in (value.values() if isinstance(value, dict) else [value])]
        if any(_is_ahead(text, now) for text in texts if isinstance(text, str)):
            yield issue("error", "value", f"{root}.{name}", _IN_FUTURE)


def _is_ahead(text: str, now: datetime) -> bool:
    return parse_range(text, now.tzinfo or UTC)[0] > now + AHEAD


def _about_units(resource: Json) -> Iterator[Issue]:
    if resource["resourceType"] != "Observation":
        return
    yield from _about_unit(resource, "Observation.value")
    for n, component in enumerate(resource.get("component", ())):
        yield from _about_unit(component, f"Observation.component[{n}].value")


def _about_unit(measured: Json, place: str) -> Iterator[Issue]:
    quantity = measured.get("valueQuantity")
    wanted = next(filter(None, map(_unit_of, measured["code"].get("coding", ()))), None)
    if not quantity or wanted is None or _compares(quantity, wanted):
        return
    yield issue(
        "error",
        "value",
        place,
        Fault(f"a unit of UCUM that compares with {wanted} is needed", f"单位须为可与 {wanted} 换算的 UCUM 单位"),
    )


def _unit_of(coding: Json) -> str | None:
    return UNITS.get(coding.get("code", "")) if coding.get("system") == LOINC else None


def _compares(quantity: Json, wanted: str) -> bool:
    sent, known = unit(quantity.get("code", "")), unit(wanted)
    is_ucum = quantity.get("system") == UCUM
    return is_ucum and sent is not None and known is not None and sent.dimension == known.dimension


def _about_numbers(resource: Json, now: datetime) -> Iterator[Issue]:
    """Of the record itself, and of the elder whom it names by one."""
    root, given = resource["resourceType"], resource.get("identifier", [])
    for n, each in enumerate(given if isinstance(given, list) else [given]):
        place = f"{root}.identifier[{n}]" if isinstance(given, list) else f"{root}.identifier"
        yield from about_identifier(each, place, now.date())
    if who := resource.get("subject", {}).get("identifier"):
        yield from about_identifier(who, f"{root}.subject.identifier", now.date())


ADVICE: Final[Mapping[str, Advice]] = dict.fromkeys(_TIMES, examine_record)
