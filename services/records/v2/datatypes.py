"""From a v2 data type to a FHIR one: http://hl7.org/fhir/uv/v2mappings/datatype_maps.html

A value that can't be is a BadValueError; who calls knows its place.
"""

import re
from collections.abc import Callable
from collections.abc import Mapping as Table
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec

from services.records.v2.faults import TABLE_VALUE, BadValueError
from services.records.v2.mapping import Mapping, Rule
from services.records.v2.message import Value

Json = dict[str, Any]

LOCAL: Final = "https://yiyang.example/fhir/sid/v2"
_TIME: Final = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(\d\d)?(?:(\d\d)(?:\.\d{1,6})?)?)?)?)?([+-]\d{4})?", re.ASCII
)
_HAN: Final = re.compile(r"[㐀-鿿𠀀-𲎯]")


class Here(msgspec.Struct, frozen=True):
    """What a value is read with: its sender's mapping, the institution that sends it, the zone of times without one."""

    mapping: Mapping
    organization: str
    zone: tzinfo

    @property
    def itself(self) -> Json:
        return {"reference": f"Organization/{self.organization}"}


def moment(text: str, zone: tzinfo) -> str:
    """A TS or DTM as a FHIR dateTime of the same precision."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise BadValueError(
            "is no time of the form YYYYMMDD[HHMM[SS]][+ZZZZ]", "时间格式应为 YYYYMMDD[HHMM[SS]][+ZZZZ]"
        )
    year, month, day, hour, minute, second, offset = found.groups()
    try:
        whole = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=zone
        )
    except ValueError as error:
        raise BadValueError("is no date of the calendar", "日期或时间不存在") from error
    if hour is None:
        return "-".join(part for part in (year, month, day) if part)
    if offset is not None:
        return f"{whole:%Y-%m-%dT%H:%M:%S}{offset[:3]}:{offset[3:]}"
    return whole.isoformat()


def _date(value: Value, _rule: Rule, here: Here) -> str:
    return moment(value.part(), here.zone)[:10]


def _date_time(value: Value, _rule: Rule, here: Here) -> str:
    return moment(value.part(), here.zone)


def _instant(value: Value, _rule: Rule, here: Here) -> str | None:
    """An instant is known to the second; what is not is left out."""
    text = moment(value.part(), here.zone)
    return text if "T" in text else None


def _string(value: Value, _rule: Rule, _here: Here) -> str:
    return value.part()


def _text(value: Value, _rule: Rule, _here: Here) -> Json:
    return {"text": value.part()}


def _boolean(value: Value, _rule: Rule, _here: Here) -> bool:
    return value.part().upper() == "Y"


def _code(value: Value, rule: Rule, here: Here) -> str:
    return str(_looked_up(value, rule.table, here))


def _coding(value: Value, rule: Rule, here: Here) -> Json:
    found: Json = _looked_up(value, rule.table, here)
    return found


def _looked_up(value: Value, table: str, here: Here) -> Any:
    found = here.mapping.tables[table].get(value.part())
    if found is None:
        raise BadValueError(
            f"this code is not in the mapping's table {table}", f"映射表 {table} 中没有该代码", TABLE_VALUE
        )
    return found


def _concept(value: Value, rule: Rule, here: Here) -> Json:
    if rule.table and (known := here.mapping.tables[rule.table].get(value.part())) is not None:
        return {"coding": [known]}
    return concept(value, here)


def concept(value: Value, here: Here) -> Json:
    """CWE: what was sent first, its alternate second, both kept; a code of a system that has no name here is the sender's own."""
    codings = [coding for first in (1, 4) if (coding := _coded(value, first, here))]
    text = value.part(9) or value.part(2) or value.part(5) or value.part(1)
    return ({"coding": codings} if codings else {}) | ({"text": text} if text else {})


def _coded(value: Value, first: int, here: Here) -> Json | None:
    code, display, system = (value.part(first + n) for n in range(3))
    if not code or not (system or display):
        return None
    return {"system": system_of(system, here), "code": code} | ({"display": display} if display else {})


def system_of(name: str, here: Here) -> str:
    known = here.mapping.systems.get(name) or here.mapping.systems.get(name.upper())
    return known or f"{LOCAL}/{here.organization}/{re.sub(r'[^A-Za-z0-9.-]', '-', name) or 'L'}"


def _identifier(value: Value, _rule: Rule, here: Here) -> Json:
    """CX: what CX-5 means is data; without one it is a record number of the sender's."""
    kind = here.mapping.identifiers.get(value.part(5)) or here.mapping.identifiers[""]
    found: Json = ({"type": kind.type} if kind.type else {}) | {"system": kind.system, "value": value.part(1)}
    return found | ({"assigner": here.itself} if kind.own else {})


def numbered(segment: str, value: str, here: Here) -> Json:
    """The identifier of what a segment is about."""
    kind = here.mapping.identifiers[segment]
    return {"system": kind.system, "value": value} | ({"assigner": here.itself} if kind.own else {})


def _name(value: Value, _rule: Rule, here: Here) -> Json | None:
    """XPN: a Chinese name is said in one, whether it came in one piece or in two."""
    family, given, further = (value.part(n) for n in (1, 2, 3))
    pieces = [piece for piece in (given, further) if piece]
    whole = f"{family}{''.join(pieces)}" if _HAN.search(family + given) else " ".join([*pieces, family]).strip()
    if not whole:
        return None
    use = here.mapping.tables["nameUse"].get(value.part(7))
    made: Json = ({"use": use} if use else {}) | {"text": whole}
    return made | ({"family": family, "given": pieces} if pieces and family else {})


def _address(value: Value, _rule: Rule, _here: Here) -> Json:
    street, further, city, state, postcode = (value.part(n) for n in (1, 2, 3, 4, 5))
    lines = [line for line in (street, further) if line]
    whole = "".join(part for part in (state, city, *lines) if part)
    named = {"city": city, "state": state, "postalCode": postcode}
    return {"text": whole} | ({"line": lines} if lines else {}) | {name: part for name, part in named.items() if part}


def _telecom(value: Value, _rule: Rule, here: Here) -> Json:
    mail = value.part(4)
    said = value.part(12) or value.part(1) or f"{value.part(6)}{value.part(7)}" or mail
    use = here.mapping.tables["telecomUse"].get(value.part(2))
    return {"system": "email" if said == mail else "phone", "value": said} | ({"use": use} if use else {})


def _practitioner(value: Value, _rule: Rule, here: Here) -> Json:
    """XCN: by the number that the sender's staff have, and the name."""
    number, family, given = (value.part(n) for n in (1, 2, 3))
    named = f"{family}{given}" if _HAN.search(family + given) else f"{given} {family}".strip()
    made: Json = {"type": "Practitioner"} | ({"display": named} if named else {})
    return made | ({"identifier": {"system": f"{LOCAL}/{here.organization}/staff", "value": number}} if number else {})


def _location(value: Value, _rule: Rule, _here: Here) -> Json:
    """PL: ward, room and bed."""
    return {"type": "Location", "display": " ".join(part for n in (1, 2, 3) if (part := value.part(n)))}


def _range(value: Value, _rule: Rule, _here: Here) -> Json:
    return {"text": value.part()}


CONVERSIONS: Final[Table[str, Callable[[Value, Rule, Here], Any]]] = {
    "string": _string, "text": _text, "boolean": _boolean, "code": _code, "coding": _coding, "concept": _concept, "date": _date,
    "dateTime": _date_time, "instant": _instant, "identifier": _identifier, "name": _name, "address": _address,
    "telecom": _telecom, "practitioner": _practitioner, "location": _location, "range": _range,
}  # fmt: skip
