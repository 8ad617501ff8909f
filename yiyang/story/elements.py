"""Small FHIR elements: http://hl7.org/fhir/R4/datatypes.html"""

from datetime import datetime, timedelta, timezone
from html import escape
from typing import Any, Final
from uuid import uuid4

Json = dict[str, Any]

CHINA: Final = timezone(timedelta(hours=8))


class Calendar:
    """Instants of the story, told in days before the day on which it is played."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(CHINA)
        self._today = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)

    @classmethod
    def current(cls) -> "Calendar":
        return cls(datetime.now(CHINA))

    def moment(self, days_ago: int, hour: int = 0, minute: int = 0) -> datetime:
        return self._today - timedelta(days=days_ago) + timedelta(hours=hour, minutes=minute)

    def at(self, days_ago: int, hour: int = 0, minute: int = 0) -> str:
        """A dateTime with Beijing's offset."""
        return self.moment(days_ago, hour, minute).isoformat()

    def instant(self, minutes_ago: float) -> datetime:
        return self._now - timedelta(minutes=minutes_ago)

    def ago(self, minutes: float) -> str:
        """An instant shortly before the story is played, or after it; the rules of the server look at its own clock."""
        return self.instant(minutes).isoformat(timespec="seconds")

    def day(self, days_ago: int) -> str:
        return self.moment(days_ago).date().isoformat()


def coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def concept(*codings: Json, text: str | None = None) -> Json:
    """A CodeableConcept; the original Chinese coding comes first, translations follow."""
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def identifier(system: str, value: str) -> Json:
    return {"system": system, "value": value}


def reference(target: str, display: str | None = None) -> Json:
    return {"reference": target} | ({"display": display} if display else {})


def quantity(value: float, unit: str, code: str) -> Json:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": code}


def narrative(text: str) -> Json:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text)}</p></div>'}


def urn() -> str:
    return uuid4().urn


def transaction(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def create(resource: Json, full_url: str | None = None) -> Json:
    """A transaction's entry that creates; others refer to it by its fullUrl."""
    return {
        "fullUrl": full_url or urn(),
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


def update(resource: Json) -> Json:
    """An entry that updates. What was read before is only overwritten in the version that was read."""
    url = f"{resource['resourceType']}/{resource['id']}"
    version = resource.get("meta", {}).get("versionId")
    request = {"method": "PUT", "url": url} | ({"ifMatch": f'W/"{version}"'} if version else {})
    return {"fullUrl": urn(), "resource": resource, "request": request}
