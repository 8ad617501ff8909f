"""The readings in an Observation, its components among them: http://hl7.org/fhir/R4/observation.html"""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from services.care.monitoring.rule import Reading
from services.fhir.ucum import UCUM

Json = dict[str, Any]

LOINC: Final = "http://loinc.org"
_COUNTS: Final = frozenset({"preliminary", "final", "amended", "corrected"})


def readings_in(observation: Json, zone: tzinfo) -> Iterator[Reading]:
    """None of what was entered in error or cancelled, or has no instant. A quantity that is not in UCUM has the unit ""."""
    at = instant_of(observation, zone)
    if at is None or not counts(observation):
        return
    for part in (observation, *observation.get("component", ())):
        quantity = part.get("valueQuantity", {})
        if "value" in quantity and "comparator" not in quantity:
            unit = quantity.get("code", "") if quantity.get("system") == UCUM else ""
            for coding in part["code"].get("coding", ()):
                if coding.get("system") == LOINC and "code" in coding:
                    value = Decimal(str(quantity["value"]))
                    yield Reading(observation.get("id", ""), coding["code"], value, unit, at)


def counts(observation: Json) -> bool:
    return observation.get("status") in _COUNTS


def instant_of(observation: Json, zone: tzinfo) -> datetime | None:
    """When it was measured; of a period its end. A day without a time says too little."""
    text = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    text = text or observation.get("effectivePeriod", {}).get("end", "")
    if "T" not in text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=zone)
