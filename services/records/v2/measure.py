"""The value of an OBX by OBX-2, its unit in UCUM where it has one: http://hl7.org/fhir/uv/v2mappings/segment_maps.html"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from services.fhir.ucum import UCUM, unit
from services.records.v2.datatypes import concept, moment
from services.records.v2.faults import TABLE_VALUE, BadValueError, NotTakenError
from services.records.v2.message import Segment, Value
from services.records.v2.work import Work

Json = dict[str, Any]

_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})
_CODED: Final = frozenset({"CE", "CWE", "CF", "CNE", "IS", "ID"})
_TEXTS: Final = frozenset({"ST", "TX", "FT", "SI", ""})
_TIMES: Final = frozenset({"DT", "TS", "DTM"})
_ABSENT: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}


def measured(segment: Segment, work: Work) -> Json:
    """`value[x]`, or why there is none; NotTakenError that names the OBX."""
    values = segment.all(5)
    if not values:
        return {"dataAbsentReason": _ABSENT}
    try:
        return _value(segment.text(2), values, segment, work)
    except BadValueError as error:
        raise NotTakenError("AE", error.at(values[0].place)) from error


def _value(kind: str, values: list[Value], segment: Segment, work: Work) -> Json:
    first = values[0]
    if kind == "NM":
        return {"valueQuantity": {"value": _number(first.part()), **_unit(segment, work)}}
    if kind == "SN":
        return _structured(first, segment, work)
    if kind in _CODED:
        return {"valueCodeableConcept": concept(first, work.here)}
    if kind in _TEXTS:
        return {"valueString": "\n".join(each.part() for each in values)}
    if kind in _TIMES:
        return {"valueDateTime": moment(first.part(), work.here.zone)}
    raise BadValueError(f"values of the type {kind} (OBX-2) are not taken", f"不支持 OBX-2 类型 {kind}")


def _structured(value: Value, segment: Segment, work: Work) -> Json:
    """SN: a comparator, a range, a ratio."""
    comparator, low, separator, high = (value.part(n) for n in range(1, 5))
    unit_of = _unit(segment, work)
    if separator == "-" and high:
        return {"valueRange": {"low": {"value": _number(low), **unit_of}, "high": {"value": _number(high), **unit_of}}}
    if separator in (":", "/") and high:
        ends = {"numerator": {"value": _number(low)}, "denominator": {"value": _number(high)}}
        return {"valueRatio": ends}
    told = {"comparator": comparator} if comparator in _COMPARATORS else {}
    return {"valueQuantity": {"value": _number(low), **told, **unit_of}}


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise BadValueError("is no number", "不是数值")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise BadValueError("is no number", "不是数值") from error


def _unit(segment: Segment, work: Work) -> Json:
    """What UCUM does not know is kept as it was written, and told: nobody can compare it."""
    said = segment.first(6)
    if said is None:
        return {}
    text = said.part(1)
    code = work.here.mapping.units.get(text, text)
    if unit(code) is not None:
        return {"unit": said.part(2) or text, "system": UCUM, "code": code}
    work.warn(
        said.place, TABLE_VALUE, "this unit is none of UCUM; it is kept as text", "该单位无法对应 UCUM，按原文保存"
    )
    return {"unit": text}
