"""Who performs care is qualified on the day: http://hl7.org/fhir/R4/practitioner-definitions.html#Practitioner.qualification.period

A clinical resource that names, as who performed or recorded it, a practitioner all of whose qualifications had ended by then is refused; so is one that such a
practitioner writes. Who has no qualification on record, or one without an end, is not held up: what is not known is not expired. What the version before said of the same day stays (docs/adr/0044).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec

from services.fhir.business import RefusedChange
from services.fhir.interactions.draft import Draft
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.references import relative
from services.fhir.service import Service
from services.fhir.store.store import Store
from services.fhir.validation import parse

Json = dict[str, Any]

PERFORMERS: Final[Mapping[str, tuple[str, ...]]] = {
    "AdverseEvent": ("recorder",),
    "AllergyIntolerance": ("recorder",),
    "CarePlan": ("author",),
    "ClinicalImpression": ("assessor",),
    "Composition": ("author",),
    "Condition": ("recorder", "asserter"),
    "DeviceRequest": ("requester",),
    "DiagnosticReport": ("performer", "resultsInterpreter"),
    "DocumentReference": ("author",),
    "Encounter": ("participant.individual",),
    "Immunization": ("performer.actor",),
    "MedicationAdministration": ("performer.actor",),
    "MedicationDispense": ("performer.actor",),
    "MedicationRequest": ("requester", "recorder"),
    "NutritionOrder": ("orderer",),
    "Observation": ("performer",),
    "Procedure": ("performer.actor", "recorder"),
    "QuestionnaireResponse": ("author",),
    "RiskAssessment": ("performer",),
    "ServiceRequest": ("requester",),
}
"""Where a clinical resource names who performed, ordered or recorded it; other types are not held to it."""
_DAYS: Final = (
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod", "occurrenceDateTime", "period",
    "authored", "authoredOn", "date", "recordedDate", "dateTime", "whenHandedOver",
)  # fmt: skip
_STAFF: Final = ("Practitioner/", "PractitionerRole/")
_DAY: Final = 10


class _Named(msgspec.Struct, frozen=True):
    """Somebody by `Type/id`, at an element of the change of that number, on a day."""

    number: int
    who: str
    element: str
    day: str


async def check_qualified(drafts: Mapping[int, Draft | None], platform: Store, service: Service) -> None:
    """Raise 422 for the first who was not; `platform` reads the directory. Most writes name nobody, and cost nothing."""
    today = service.clock.now().astimezone(service.zone).date()
    base, writer = f"{service.base}/", service.caller.practitioner
    named = [each for n, draft in drafts.items() if draft for each in _named(n, draft, writer, today, base)]
    if not named:
        return
    people = await _people({each.who for each in named}, platform, base)
    for each in named:
        last = _last_day(people.get(each.who, {}))
        if last is not None and last < each.day:
            raise RefusedChange(_expired(each, last, people[each.who]), each.number)


def _named(number: int, drafted: Draft, writer: str | None, today: date, base: str) -> Iterator[_Named]:
    resource, kind = drafted.resource, drafted.intent.type
    if resource is None or kind not in PERFORMERS or drafted.intent.by_platform:
        return
    if writer is not None and writer.startswith(_STAFF):
        yield _Named(number, writer, kind, today.isoformat())
    found = [*_performers(resource, kind, base)]
    if not found:
        return
    day, before = _day(resource, today.isoformat()), drafted.before or {}
    known = {who for who, _ in _performers(before, kind, base)} if _day(before, today.isoformat()) == day else set()
    yield from (_Named(number, who, element, day) for who, element in found if who not in known)


def _performers(resource: Json, kind: str, base: str) -> Iterator[tuple[str, str]]:
    for path in PERFORMERS[kind]:
        name, _, inner = path.partition(".")
        value = resource.get(name)
        if value is None:
            continue
        for n, each in enumerate(value if isinstance(value, list) else [value]):
            place = f"{kind}.{name}" + (f"[{n}]" if isinstance(value, list) else "") + (f".{inner}" if inner else "")
            reference = each.get(inner, {}) if inner else each
            text = relative(str(reference.get("reference", "")), base).partition("/_history/")[0]
            if text.startswith(_STAFF):
                yield text, place


def _day(resource: Json, today: str) -> str:
    """Of the act, where it is told and has come; else today."""
    for name in _DAYS:
        value = resource.get(name)
        text = (value.get("end") or value.get("start") or "") if isinstance(value, dict) else value
        if text:
            return min(str(text)[:_DAY], today)
    return today


async def _people(names: set[str], platform: Store, base: str) -> dict[str, Json]:
    """The Practitioner of each; of a role, who has it."""
    found = await _read(names, platform)
    of_roles = {
        n: relative(str(r.get("practitioner", {}).get("reference", "")), base)
        for n, r in found.items()
        if n.startswith(_STAFF[1])
    }
    more = await _read({each for each in of_roles.values() if each not in found}, platform) if of_roles else {}
    known = found | more
    return {name: known.get(of_roles.get(name, name), {}) for name in names}


async def _read(names: Iterable[str], platform: Store) -> dict[str, Json]:
    by_type: dict[str, list[str]] = {}
    for name in names:
        kind, _, resource_id = name.partition("/")
        by_type.setdefault(kind, []).append(resource_id)
    found: dict[str, Json] = {}
    for kind, ids in by_type.items():
        for stored in await platform.read_many(kind, ids):
            if stored.body is not None:
                found[f"{kind}/{stored.id}"] = parse(stored.body.encode(), kind)
    return found


def _last_day(practitioner: Json) -> str | None:
    """The last on which some qualification counts; None where there is none, or one has no end."""
    ends = [each.get("period", {}).get("end", "") for each in practitioner.get("qualification", ())]
    if not ends or not all(ends):
        return None
    return max(_latest(end) for end in ends)


def _latest(end: str) -> str:
    """The last day of a year or of a month."""
    return f"{end}-12-31"[:_DAY] if len(end) == len("2026") else f"{end}-31"[:_DAY]


def _expired(named: _Named, last: str, practitioner: Json) -> FhirError:
    codings = [c for each in practitioner["qualification"] for c in each.get("code", {}).get("coding", ())]
    what = ", ".join(dict.fromkeys(str(c["code"]) for c in codings if "code" in c))
    return unprocessable(
        f"{named.element}: the qualification{f' {what}' if what else ''} of {named.who} ended on {last}, before {named.day}",
        code="business-rule",
        text=f"{named.who} 的执业资格{f'（{what}）' if what else ''}已于 {last} 到期，不能执行或记录诊疗照护",
        expression=(named.element,),
    )
