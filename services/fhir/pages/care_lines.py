"""What concerns the care of an elder, each resource in one line: residencies, plans, risks, devices, directives, vaccinations.

http://hl7.org/fhir/R4/resourcelist.html
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir.pages import values, words
from services.fhir.pages.line import Line, Resolve, joined, status

Json = dict[str, Any]

_RISKS: Final = {
    "negligible": "可忽略",
    "low": "低",
    "moderate": "中",
    "high": "高",
    "certain": "确定",
}


def adverse_event(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    name = words.concept(resource.get("event")) or words.concepts(resource.get("category", ()))
    return Line(name, joined(words.when(resource.get("date"), zone), words.concept(resource.get("outcome"))))


def risk_assessment(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    found = resource.get("prediction", ())
    outcomes = words.concepts(each.get("outcome") for each in found)
    levels = "、".join(filter(None, (_risk(each.get("qualitativeRisk")) for each in found)))
    when = {name: each for name, each in resource.items() if name.startswith("occurrence")}
    at = values.value(when, zone, "occurrence")
    return Line(words.concept(resource.get("code")) or outcomes, joined(levels, at, status(resource)))


def _risk(concept: Any) -> str:
    codes = (coding.get("code", "") for coding in (concept or {}).get("coding", ()))
    return next((_RISKS[code] for code in codes if code in _RISKS), "") or words.concept(concept)


def care_plan(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    """What is done, as far as the plan says it itself."""
    done = "；".join(filter(None, (_activity(each) for each in resource.get("activity", ()))))
    name = words.clean(resource.get("title")) or words.concepts(resource.get("category", ()))
    return Line(
        name or words.clean(resource.get("description")),
        joined(done, words.period(resource.get("period"), zone), status(resource)),
    )


def _activity(activity: Json) -> str:
    detail = activity.get("detail", {})
    told = words.concept(detail.get("code")) or words.clean(detail.get("description"))
    return told or words.clean(activity.get("reference", {}).get("display"))


def episode_of_care(resource: Json, resolve: Resolve, zone: ZoneInfo) -> Line:
    where = resource.get("managingOrganization", {})
    home = words.clean((resolve(where) or {}).get("name")) or words.clean(where.get("display"))
    return Line(
        words.concepts(resource.get("type", ())),
        joined(home, words.period(resource.get("period"), zone), status(resource)),
    )


def device(resource: Json, _: Resolve, __: ZoneInfo) -> Line:
    names = (words.clean(each.get("name")) for each in resource.get("deviceName", ()))
    return Line(words.concept(resource.get("type")) or next(filter(None, names), ""), status(resource))


def device_use(resource: Json, resolve: Resolve, zone: ZoneInfo) -> Line:
    used = resource.get("device", {})
    found = resolve(used)
    name = device(found, resolve, zone).name if found else words.clean(used.get("display"))
    when = {key: each for key, each in resource.items() if key.startswith("timing")}
    at = values.value(when, zone, "timing")
    return Line(name, joined(words.concept(resource.get("bodySite")), at, status(resource)))


def consent(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    name = words.concepts(resource.get("category", ())) or words.concept(resource.get("scope"))
    return Line(name, joined(words.when(resource.get("dateTime"), zone), status(resource)))


def immunization(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    at = values.value({key: each for key, each in resource.items() if key.startswith("occurrence")}, zone, "occurrence")
    return Line(words.concept(resource.get("vaccineCode")), joined(at, status(resource)))


def flag(resource: Json, _: Resolve, zone: ZoneInfo) -> Line:
    return Line(
        words.concept(resource.get("code")), joined(words.period(resource.get("period"), zone), status(resource))
    )
