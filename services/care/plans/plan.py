"""The form of a plan in `services/care/plans/definitions`; docs/care-plans.md explains each field."""

from decimal import Decimal
from typing import Literal

import msgspec

from services.care.scoring.instrument import Confidence
from services.fhir.elements import CANONICAL

Role = Literal[
    "physician", "nurse", "caregiver", "therapist", "dietitian", "counsellor", "social-worker", "tcm-physician"
]
Kind = Literal["Appointment", "DeviceRequest", "MedicationRequest", "NutritionOrder", "ServiceRequest", "Task"]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What a file says and this form does not know is an error, not passed over."""


class When(_Form, frozen=True, kw_only=True):
    """A finding that calls for the plan: a code that is one of `codes` or begins with one of `prefixes`, of an instrument's result where `of` names it."""

    system: str
    codes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    of: str = ""

    def is_met(self, code: str) -> bool:
        return code in self.codes or (bool(self.prefixes) and code.startswith(self.prefixes))


class Target(_Form, frozen=True, kw_only=True):
    """What is measured (LOINC), and what it should be, in a unit of UCUM."""

    code: str
    unit: str
    at_most: Decimal | None = None
    at_least: Decimal | None = None


class Aim(_Form, frozen=True, kw_only=True):
    """A goal, by which day after the start it is due."""

    id: str
    zh: str
    en: str
    days: int
    target: Target | None = None


class Every(_Form, frozen=True, kw_only=True):
    """So often in a period: http://hl7.org/fhir/R4/datatypes.html#Timing"""

    times: int = 1
    period: int = 1
    unit: Literal["h", "d", "wk", "mo"]


class Act(_Form, frozen=True, kw_only=True):
    """An activity; `code` is its name within the library, the same in every plan that has it."""

    code: str
    zh: str
    en: str
    kind: Kind
    role: Role
    aims: tuple[str, ...] = ()
    every: Every | None = None


class Plan(_Form, frozen=True, kw_only=True):
    """One plan of the library. It is chosen where any of `when` is met; without any it is applied by name only."""

    name: str
    version: str
    zh: str
    en: str
    source: str
    confidence: Confidence
    category: str
    review_days: int
    aims: tuple[Aim, ...]
    acts: tuple[Act, ...]
    when: tuple[When, ...] = ()

    @property
    def url(self) -> str:
        return f"{CANONICAL}/PlanDefinition/{self.name}"

    @property
    def canonical(self) -> str:
        return f"{self.url}|{self.version}"


ROLES: dict[Role, tuple[str, str]] = {
    "physician": ("医师", "Physician"),
    "nurse": ("护士", "Nurse"),
    "caregiver": ("护理员", "Caregiver"),
    "therapist": ("康复师", "Therapist"),
    "dietitian": ("营养师", "Dietitian"),
    "counsellor": ("心理咨询师", "Counsellor"),
    "social-worker": ("社工", "Social worker"),
    "tcm-physician": ("中医（蒙医）医师", "Physician of Chinese or Mongolian medicine"),
}
