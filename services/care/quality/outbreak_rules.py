"""What makes a cluster of illness, as data (outbreaks.json): http://hl7.org/fhir/R4/condition.html · http://hl7.org/fhir/R4/observation.html"""

from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from services.care.scoring.instrument import Confidence

Json = dict[str, Any]


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Of an Observation its codes and the least value, of a Condition the beginnings of its codes."""

    type: Literal["Observation", "Condition"]
    codes: tuple[str, ...] = ()
    stems: tuple[str, ...] = ()
    system: str = ""
    at_least: Decimal | None = None
    unit: str = ""

    def is_in(self, resource: Json) -> bool:
        codings = resource.get("code", {}).get("coding", ())
        if self.stems:
            return any(str(c.get("code", "")).startswith(self.stems) for c in codings)
        value = resource.get("valueQuantity", {})
        return (
            any((c.get("system"), c.get("code")) in {(self.system, code) for code in self.codes} for c in codings)
            and (self.at_least is None or Decimal(str(value.get("value", 0))) >= self.at_least)
            and (not self.unit or value.get("code") == self.unit)
        )


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many `residents` of one institution within so many `days`."""

    code: str
    zh: str
    en: str
    source: str
    confidence: Confidence
    residents: int
    days: int
    signs: tuple[Sign, ...]


@cache
def rules() -> dict[str, Rule]:
    found = msgspec.json.decode(files(__package__).joinpath("outbreaks.json").read_bytes(), type=tuple[Rule, ...])
    return {each.code: each for each in found}
