"""By what an entry is known again: its institution's number for it, and a device's reading by what it says (docs/adr/0037)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec

from services.fhir.naming import canonical
from services.fhir.outcomes import unprocessable
from services.fhir.references import relative
from services.fhir.search.dates import parse_range
from services.fhir.search.parameters import patient_of
from services.fhir.search.query import TokenValue

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
_SERVER_META: Final = frozenset({"versionId", "lastUpdated"})
# The element by which a patient's resources of a type are ordered in time (store/tables/resources.py).
_WHEN: Final[Mapping[str, str]] = {
    "Observation": "effective",
    "Procedure": "performed",
    "MedicationAdministration": "effective",
    "AdverseEvent": "date",
    "Composition": "date",
}
_FORMS: Final = ("", "DateTime", "Instant")


class Reading(msgspec.Struct, frozen=True):
    """What a device measured: at one place and instant, the same by any of its codes is the same reading."""

    device: str
    codes: tuple[tuple[str, str], ...]
    said: Json

    def is_same(self, other: "Reading") -> bool:
        return self.device == other.device and not set(self.codes).isdisjoint(other.codes)


class Marks(msgspec.Struct, frozen=True):
    """All by which one entry is known again; a number or a reading is there. `place` is whom it is about, and when."""

    number: TokenValue | None
    place: tuple[str, datetime] | None
    reading: Reading | None
    claims: tuple[str, ...]


def marks_of(resource: Json, organization: str, base: str, zone: tzinfo) -> Marks:
    """Raise 422 for what could never be known again."""
    kind = resource["resourceType"]
    number, place = _number(resource), _place(resource, base, zone)
    reading = reading_of(resource, base) if kind == "Observation" and place else None
    if number is None and reading is None:
        raise unprocessable(
            "An entry needs an identifier with system and value, by which it is known when it is sent again",
            code="required",
            text="须有业务标识 identifier（system 与 value），重发时据此识别",
            expression=(f"{kind}.identifier",),
        )
    claims = [_claim(kind, "number", (organization, number.system, number.code))] if number else []
    if reading and place:
        code = min((each for each in reading.codes if each[0] == LOINC), default=reading.codes[0])
        claims.append(_claim(kind, "reading", (*place, reading.device, code)))
    return Marks(number, place, reading, tuple(claims))


def numbers_in(resource: Json) -> set[TokenValue]:
    """All identifiers, under the canonical names of their systems."""
    pairs = map(canonical, _identifiers(resource))
    return {TokenValue(system, value) for system, value in pairs if system and value}


def reading_of(observation: Json, base: str) -> Reading | None:
    """None of what no device measured."""
    device = _device(observation.get("device", {}), base)
    codings = observation["code"].get("coding", ())
    codes = tuple((c.get("system", ""), c["code"]) for c in codings if "code" in c)
    if not (device and codes):
        return None
    return Reading(device, codes, {n: v for n, v in observation.items() if n.startswith(("value", "component"))})


def says_the_same(sent: Json, stored: Json) -> bool:
    return _content(sent) == _content(stored)


def _content(resource: Json) -> Json:
    """All but what the server itself says."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in _SERVER_META}
    return {name: value for name, value in resource.items() if name not in ("id", "meta")} | {"meta": meta}


def _claim(kind: str, by: str, what: tuple[Any, ...]) -> str:
    return f"{kind}?{by}={hashlib.sha256(msgspec.json.encode(what)).hexdigest()}"


def _number(resource: Json) -> TokenValue | None:
    """The first identifier that is whole: an institution names its own record first."""
    for system, value in map(canonical, _identifiers(resource)):
        if system and value:
            return TokenValue(system, value)
    return None


def _identifiers(resource: Json) -> list[Json]:
    """Of some types there is only one."""
    given = resource.get("identifier", [])
    return given if isinstance(given, list) else [given]


def _place(resource: Json, base: str, zone: tzinfo) -> tuple[str, datetime] | None:
    kind = resource["resourceType"]
    name = _WHEN.get(kind)
    patient = patient_of(kind)(resource, f"{base}/") if name else None
    texts = (resource.get(f"{name}{form}") for form in _FORMS)
    at = next((text for text in texts if text), None) or resource.get(f"{name}Period", {}).get("start")
    return (patient, parse_range(at, zone)[0].astimezone(UTC)) if patient and at else None


def _device(reference: Json, base: str) -> str:
    system, value = canonical(reference.get("identifier", {}))
    return relative(reference.get("reference", ""), f"{base}/") or (f"{system}|{value}" if value else "")
