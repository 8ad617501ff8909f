"""Scopes that grant a type in part, and the same said of a body in plain Python: docs/adr/0049"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Json = dict[str, Any]
Test = Callable[[Json], bool]

GRANTED: Final = [
    "AuditEvent",
    "Appointment",
    "Basic",
    "Binary",
    "Condition",
    "Consent",
    "Encounter",
    "EpisodeOfCare",
    "Group",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Provenance",
    "RelatedPerson",
    "Subscription",
    "Task",
]
EVERY: Final = "*"


class Limit(NamedTuple):
    """`tests` are of the types that are granted in part; all others are granted whole."""

    criteria: tuple[str, ...]
    tests: Mapping[str, Test]

    @property
    def scopes(self) -> tuple[str, ...]:
        whole = () if EVERY in self.tests else (each for each in GRANTED if each not in self.tests)
        return (*(f"system/{each}.cruds" for each in whole), *(f"system/{each}" for each in self.criteria))

    def of(self, resource_type: str) -> Test | None:
        return self.tests.get(EVERY) or self.tests.get(resource_type)


def labels(body: Json) -> set[str]:
    return {each["code"] for each in body.get("meta", {}).get("security", ())}


def code(body: Json) -> str | None:
    coding = body.get("code", {}).get("coding", ())
    return coding[0]["code"] if coding else None


LIMITS: Final[Mapping[str, Limit]] = {
    "heart rates, and what is secret": Limit(
        ("Observation.cruds?code=8867-4", "Observation.cruds?_security=V"),
        {"Observation": lambda body: code(body) == "8867-4" or "V" in labels(body)},
    ),
    "women": Limit(("Patient.cruds?gender=female",), {"Patient": lambda body: body.get("gender") == "female"}),
    "other conditions, open tasks, live consents": Limit(
        ("Condition.cruds?code:not=8867-4", "Task.cruds?status=requested,accepted", "Consent.cruds?status=active"),
        {
            "Condition": lambda body: code(body) != "8867-4",
            "Task": lambda body: body["status"] in ("requested", "accepted"),
            "Consent": lambda body: body["status"] == "active",
        },
    ),
    "what has no label": Limit(("*.cruds?_security:missing=true",), {EVERY: lambda body: not labels(body)}),
    "what has a label by now": Limit(
        ("Observation.cruds?_security:missing=false", "Condition.cruds?_security:missing=false"),
        {"Observation": lambda body: bool(labels(body)), "Condition": lambda body: bool(labels(body))},
    ),
    "one institution, nothing attested before": Limit(
        ("Organization.cruds?name:contains=-1", "Provenance.cruds?recorded=lt2026-05-01", "Group.cruds?type=person"),
        {
            "Organization": lambda body: "-1" in body["name"],
            "Provenance": lambda body: body["recorded"] < "2026-05-01",
            "Group": lambda body: body["type"] == "person",
        },
    ),
    "weights that are final, of a day": Limit(
        ("Observation.cruds?code=http://loinc.org|29463-7&status=final", "Encounter.cruds?date:missing=false"),
        {"Observation": lambda body: code(body) == "29463-7", "Encounter": lambda body: "period" in body},
    ),
}
