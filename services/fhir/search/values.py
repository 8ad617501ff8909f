"""The text of a search value as a typed value: http://hl7.org/fhir/R4/search.html#ptypes"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from decimal import Context, Decimal
from typing import cast

import msgspec

from services.fhir.definitions import SearchParameter, resource_types
from services.fhir.references import relative
from services.fhir.search.dates import EARLIEST, LATEST, parse_range
from services.fhir.search.escapes import split, unescape
from services.fhir.search.quantities import in_base_units
from services.fhir.search.query import (
    DateValue,
    NearValue,
    NumberValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from services.fhir.search.refusals import invalid
from services.fhir.search.strings import normalize
from services.fhir.search.targets import implied_systems, reference_targets, refers_by_canonical
from services.fhir.ucum import UCUM
from services.fhir.ucum import unit as ucum_unit

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,128}(\.[0-9]{1,128})?([eE][+-]?[0-9]{1,3})?")
_ONE_DIGIT_WITH_EXPONENT = re.compile(r"[+-]?[0-9][eE]")
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_EXACT = Context(prec=1500)
_TENTH = Decimal("0.1")
_SYSTEM_AND_CODE = 2
_VALUE_SYSTEM_AND_CODE = 3
_PARTS_OF_NEAR = 4
_POLE, _ANTIMERIDIAN, _HALF_THE_EARTH = 90, 180, 20_100
_USUALLY_NEAR = Decimal(10)
_KILOMETRES = {
    "km": Decimal(1),
    "m": Decimal("0.001"),
    "[mi_i]": Decimal("1.609344"),
    "[mi_us]": Decimal("1.609347219"),
}


class Reading(msgspec.Struct, frozen=True):
    """What the meaning of a value depends on; `base` ends with "/" or is empty, `name` is the parameter as sent."""

    name: str
    resource_type: str
    parameter: SearchParameter
    target: str | None  # the modifier `:Patient`
    base: str
    zone: tzinfo
    now: datetime


def parse_value(text: str, reading: Reading) -> Value:
    """Raise FhirError 400 for a text that is no value of the parameter's type."""
    return _PARSERS[reading.parameter.type](text, reading)


def _string(text: str, reading: Reading) -> StringValue:
    plain = unescape(text)
    normalized = normalize(plain)
    if not normalized:
        raise invalid(reading.name, "a string value must have letters", "检索内容不能为空白")
    return StringValue(plain, normalized)


def parse_token(text: str, reading: Reading) -> TokenValue:
    if reading.parameter.code == "_id":
        return TokenValue(None, unescape(text))
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > _SYSTEM_AND_CODE or not any(parts):
        raise invalid(
            reading.name, "a token is code, system|code, |code or system|", "格式应为 代码、系统|代码、|代码 或 系统|"
        )
    if len(parts) == 1:
        return TokenValue(None, parts[0])
    system, code = parts
    if code and system in implied_systems(reading.parameter.expression, reading.resource_type):
        return TokenValue(None, code)
    return TokenValue(system, code or None)


def _uri(text: str, _: Reading) -> UriValue:
    return UriValue(unescape(text))


def _reference(text: str, reading: Reading) -> ReferenceValue:
    plain = relative(unescape(text), reading.base)
    if ":" in plain or refers_by_canonical(reading.parameter.expression, reading.resource_type):
        return ReferenceValue((plain,))
    targets = (reading.target,) if reading.target else reference_targets(reading.resource_type, reading.parameter)
    if _ID.fullmatch(plain):
        return ReferenceValue(tuple(f"{target}/{plain}" for target in targets))
    found = _RELATIVE.fullmatch(plain)
    if found is None or found[1] not in (targets if reading.target else resource_types()):
        raise invalid(reading.name, "a reference is an id, Type/id or a URL", "引用应为 id、类型/id 或 URL")
    return ReferenceValue((plain,))


def _date(text: str, reading: Reading) -> DateValue:
    prefix, rest = _prefixed(text)
    try:
        lo, hi = parse_range(rest.replace(" ", "+"), reading.zone)  # an unencoded + arrives as a space
    except ValueError:
        raise invalid(
            reading.name, "not a date such as 2024-05-01 or 2024-05-01T10:00:00+08:00", "日期格式有误"
        ) from None
    if prefix == "ap":
        lo, hi = _around(lo, hi, reading.now)
    return DateValue(prefix, lo, hi)


def _around(lo: datetime, hi: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Widen by a tenth of the distance to today; whole days, so that the pages of one search agree."""
    gap = timedelta(days=abs((now - lo).days)) / 10
    return max(lo, EARLIEST + gap) - gap, min(hi, LATEST - gap) + gap


def _number(text: str, reading: Reading) -> NumberValue:
    return NumberValue(*_measure(text, reading))


def _quantity(text: str, reading: Reading) -> QuantityValue:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, _VALUE_SYSTEM_AND_CODE):
        raise invalid(
            reading.name,
            "a quantity is value, value|system|code or value||code",
            "格式应为 数值、数值|系统|代码 或 数值||代码",
        )
    _, system, code = parts if len(parts) == _VALUE_SYSTEM_AND_CODE else (None, "", "")
    prefix, value, lo, hi = _measure(parts[0], reading)
    if system == UCUM and (of := ucum_unit(code)):
        value, lo, hi = in_base_units(value, code), in_base_units(lo, code), in_base_units(hi, code)
        return QuantityValue(prefix, value, lo, hi, system, code, of.dimension)
    return QuantityValue(prefix, value, lo, hi, system or None, code or None)


def _near(text: str, reading: Reading) -> NearValue:
    """`latitude|longitude|distance|unit`; kilometres where no unit is named: http://hl7.org/fhir/R4/location.html#search"""
    parts = [unescape(part).strip() for part in split(text, "|")]
    unit = _KILOMETRES.get(parts[3] if len(parts) == _PARTS_OF_NEAR else "km")
    if (
        unit is None
        or not _SYSTEM_AND_CODE <= len(parts) <= _PARTS_OF_NEAR
        or not all(map(_NUMBER.fullmatch, parts[:3]))
    ):
        raise invalid(
            reading.name,
            "the value is latitude|longitude|distance|unit, the unit one of " + ", ".join(_KILOMETRES),
            "格式应为 纬度|经度|距离|单位",
        )
    latitude, longitude = Decimal(parts[0]), Decimal(parts[1])
    distance = _EXACT.multiply(Decimal(parts[2]), unit) if len(parts) > _SYSTEM_AND_CODE else _USUALLY_NEAR
    if abs(latitude) > _POLE or abs(longitude) > _ANTIMERIDIAN or not 0 <= distance <= _HALF_THE_EARTH:
        raise invalid(reading.name, "the point or the distance is not on the earth", "坐标或距离超出范围")
    return NearValue(latitude, longitude, distance)


def _measure(text: str, reading: Reading) -> tuple[Prefix, Decimal, Decimal, Decimal]:
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest):
        raise invalid(reading.name, "not a number", "数值格式有误")
    value = Decimal(rest)
    half = _EXACT.multiply(abs(value), _TENTH) if prefix == "ap" else _half_a_digit(rest)
    return prefix, value, _EXACT.subtract(value, half), _EXACT.add(value, half)


def _half_a_digit(text: str) -> Decimal:
    """Give 0.5 for `100`, 0.005 for `1.00`, 5 for `1e2`: R4 reads a single digit before an exponent as two."""
    exponent = int(Decimal(text).as_tuple().exponent)
    return Decimal(5).scaleb(exponent - (2 if _ONE_DIGIT_WITH_EXPONENT.match(text) else 1))


def _prefixed(text: str) -> tuple[Prefix, str]:
    found = _PREFIXED.fullmatch(text)
    prefix, rest = found.groups() if found else (None, text)
    return cast("Prefix", prefix or "eq"), rest


_PARSERS: Mapping[str, Callable[[str, Reading], Value]] = {
    "string": _string,
    "token": parse_token,
    "special": _near,
    "uri": _uri,
    "reference": _reference,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
}
