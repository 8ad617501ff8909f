"""Number and quantity values: http://hl7.org/fhir/R4/search.html#quantity"""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from services.fhir.search.row import QuantityIndex, Row
from services.fhir.search.walk import Sink
from services.fhir.ucum import UCUM, canonical
from services.fhir.ucum import unit as ucum_unit

INFINITY = Decimal("Infinity")
_CURRENCIES = "urn:iso:std:iso:4217"
_LARGEST_EXPONENT = 1000  # far beyond any measurement, well within PostgreSQL's numeric


def exact(value: Decimal | int) -> Decimal:
    """Give the number as it is, or zero or infinity where no column could hold its digits."""
    number = Decimal(value)
    if not number or abs(number.adjusted()) <= _LARGEST_EXPONENT:
        return number
    return Decimal(0) if number.adjusted() < 0 else INFINITY.copy_sign(number)


def number(parameter: str) -> Sink[Row]:
    def sink(value: Decimal | int, row: Row) -> None:
        row.quantities.append(QuantityIndex(parameter, exact(value), exact(value)))

    return sink


def quantity(parameter: str) -> Sink[Row]:
    def sink(value: dict[str, Any], row: Row) -> None:
        if (stated := value.get("value")) is not None:
            _add(parameter, _ends(exact(stated), value.get("comparator", "")), value, row)

    return sink


def _ends(stated: Decimal, comparator: str) -> tuple[Decimal, Decimal]:
    """`< 5` is somewhere below 5."""
    return (-INFINITY if comparator.startswith("<") else stated, INFINITY if comparator.startswith(">") else stated)


def range_(parameter: str) -> Sink[Row]:
    """Index from low to high; an absent end is open."""

    def sink(value: dict[str, Any], row: Row) -> None:
        low, high = value.get("low", {}), value.get("high", {})
        if "value" in low or "value" in high:
            _add(parameter, (exact(low.get("value", -INFINITY)), exact(high.get("value", INFINITY))), low | high, row)

    return sink


def money(parameter: str) -> Sink[Row]:
    def sink(value: dict[str, Any], row: Row) -> None:
        if (stated := value.get("value")) is not None:
            currency = {"system": _CURRENCIES, "code": value.get("currency")} if "currency" in value else {}
            _add(parameter, (exact(stated), exact(stated)), currency, row)

    return sink


def sampled_data(parameter: str) -> Sink[Row]:
    """Index from the smallest to the largest sample: origin + factor * sample."""

    def sink(value: dict[str, Any], row: Row) -> None:
        samples = _samples(value)
        if samples:
            origin, factor = Decimal(value["origin"].get("value", 0)), Decimal(value.get("factor", 1))
            ends = sorted((exact(origin + factor * min(samples)), exact(origin + factor * max(samples))))
            _add(parameter, (ends[0], ends[1]), value["origin"], row)

    return sink


def _samples(value: dict[str, Any]) -> list[Decimal]:
    """Read the samples; L and U stand for the limits of the measurement, E for an error."""
    limits = {"L": value.get("lowerLimit"), "U": value.get("upperLimit"), "E": None}
    stated = (limits.get(sample, sample) for sample in value.get("data", "").split())
    return [Decimal(sample) for sample in stated if sample is not None and _is_number(sample)]


def _is_number(sample: Any) -> bool:
    try:
        return Decimal(sample).is_finite()
    except InvalidOperation:
        return False


def _add(parameter: str, ends: tuple[Decimal, Decimal], unit: dict[str, Any], row: Row) -> None:
    system, code = unit.get("system"), unit.get("code")
    entry = QuantityIndex(parameter, *ends, system, code, unit.get("unit"))
    if system == UCUM and code is not None and (of := ucum_unit(code)):
        entry.dimension, entry.base_lo = of.dimension, in_base_units(ends[0], code)
        entry.base_hi = entry.base_lo if ends[0] == ends[1] else in_base_units(ends[1], code)
    row.quantities.append(entry)


@lru_cache(maxsize=8192)
def in_base_units(value: Decimal, code: str) -> Decimal:
    """Give the value as it is where the code is no unit of UCUM; one resource states the same measure several times."""
    of = ucum_unit(code)
    return canonical(value, of) if of and value.is_finite() else value
