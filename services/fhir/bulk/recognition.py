"""By what an entry is known again: its business identifier, and a device's reading by what it says (docs/adr/0037)."""

import hashlib
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec

from services.fhir.interactions.conditional import claim_key
from services.fhir.naming import canonical
from services.fhir.outcomes import unprocessable
from services.fhir.references import relative
from services.fhir.search.dates import parse_range
from services.fhir.search.parameters import patient_of
from services.fhir.search.query import Match, TokenValue
from services.fhir.search.registry import search_parameters

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
_SERVER_META: Final = frozenset({"versionId", "lastUpdated"})


class Reading(msgspec.Struct, frozen=True):
    """What a device measured of a patient at an instant: the same by any of its codes is the same reading."""

    patient: str
    device: str
    at: datetime
    codes: tuple[tuple[str, str], ...]
    said: Json

    @property
    def place(self) -> tuple[str, str, datetime]:
        return self.patient, self.device, self.at

    @property
    def claim(self) -> str:
        """By the one code that all who send the reading are likely to say."""
        code = min((each for each in self.codes if each[0] == LOINC), default=self.codes[0])
        meant = msgspec.json.encode((self.patient, self.device, self.at.astimezone(UTC), code))
        return f"Observation?reading={hashlib.sha256(meant).hexdigest()}"

    def is_same(self, other: "Reading") -> bool:
        return self.place == other.place and not set(self.codes).isdisjoint(other.codes)


class Marks(msgspec.Struct, frozen=True):
    """All by which one entry is known again; at least one of them is there."""

    identity: TokenValue | None
    reading: Reading | None
    claims: frozenset[str]


def marks_of(resource: Json, base: str, zone: tzinfo) -> Marks:
    """Raise 422 for what could never be known again."""
    kind = resource["resourceType"]
    identity = _identity(resource)
    reading = reading_of(resource, base, zone) if kind == "Observation" else None
    if identity is None and reading is None:
        raise unprocessable(
            "An entry needs an identifier with system and value, by which it is known when it is sent again",
            code="required",
            text="须有业务标识 identifier（system 与 value），重发时据此识别",
            expression=(f"{kind}.identifier",),
        )
    if "identifier" not in search_parameters(kind):
        raise unprocessable(
            f"No {kind} is found by its identifier", code="not-supported", text="该资源类型不支持批量上报"
        )
    claims = [claim_key(kind, (Match("identifier", "token", None, (identity,)),))] if identity else []
    return Marks(identity, reading, frozenset([*claims, *([reading.claim] if reading else [])]))


def identities_in(resource: Json) -> set[TokenValue]:
    """Under the canonical names of their systems."""
    pairs = map(canonical, _identifiers(resource))
    return {TokenValue(system, value) for system, value in pairs if system and value}


def reading_of(observation: Json, base: str, zone: tzinfo) -> Reading | None:
    """None of what no device measured, or of nobody, or at no instant."""
    device, at = _device(observation.get("device", {}), base), _instant(observation, zone)
    patient = patient_of("Observation")(observation, f"{base}/")
    codings = observation["code"].get("coding", ())
    codes = tuple((c.get("system", ""), c["code"]) for c in codings if "code" in c)
    if not (device and at and patient and codes):
        return None
    said = {name: each for name, each in observation.items() if name.startswith(("value", "component"))}
    return Reading(patient, device, at, codes, said)


def says_the_same(sent: Json, stored: Json) -> bool:
    return _content(sent) == _content(stored)


def _content(resource: Json) -> Json:
    """All but what the server itself says."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in _SERVER_META}
    return {name: value for name, value in resource.items() if name not in ("id", "meta")} | {"meta": meta}


def _identity(resource: Json) -> TokenValue | None:
    """The first one that is whole: an institution names its own record first."""
    for system, value in map(canonical, _identifiers(resource)):
        if system and value:
            return TokenValue(system, value)
    return None


def _identifiers(resource: Json) -> list[Json]:
    """Of some types there is only one."""
    given = resource.get("identifier", [])
    return given if isinstance(given, list) else [given]


def _device(reference: Json, base: str) -> str:
    system, value = canonical(reference.get("identifier", {}))
    return relative(reference.get("reference", ""), f"{base}/") or (f"{system}|{value}" if value else "")


def _instant(observation: Json, zone: tzinfo) -> datetime | None:
    """A day without a time names no reading."""
    text = observation.get("effectiveDateTime") or observation.get("effectiveInstant") or ""
    if "T" not in text:
        return None
    return parse_range(text, zone)[0]
