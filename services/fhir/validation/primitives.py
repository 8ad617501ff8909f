"""The primitive types and their JSON forms: http://hl7.org/fhir/R4/datatypes.html#primitive"""

import binascii
import re
from collections.abc import Callable
from decimal import Clamped, Context, Decimal, DecimalException, Overflow, Rounded, Underflow
from typing import Any

from services.fhir.validation.narrative import check_xhtml
from services.fhir.validation.problems import EMPTY, NOT_A_STRING, Findings, found, instead_of

Check = Callable[[Any], Findings]

_MOST_CHARACTERS = 1024 * 1024
_MOST_DIGITS = 128
_EXPONENT = 308

_TOO_LONG = found("too-long", "A string has at most 1,048,576 characters", "字符串过长")
_BLANK = found("value", "A string must not be only whitespace", "字符串不能只有空白")
_NOT_A_BOOLEAN = found("structure", "Expected a JSON boolean", "应为布尔值 true 或 false")
_NOT_AN_INTEGER = found("structure", "Expected a JSON integer", "应为整数")
_NOT_A_NUMBER = found("structure", "Expected a JSON number", "应为数字")
_BAD_NUMBER = found("value", "The number has too many digits or too large an exponent", "数字位数过多或指数过大")
_BAD_BASE64 = found("value", "Not base64", "不是有效的 base64 内容")


def check_string(value: Any) -> Findings:
    if value.__class__ is not str:
        return instead_of(NOT_A_STRING, value)
    if not value or value.isspace():
        return _BLANK if value else EMPTY
    return () if len(value) <= _MOST_CHARACTERS else _TOO_LONG


def _check_boolean(value: Any) -> Findings:
    if value is True or value is False:
        return ()
    return instead_of(_NOT_A_BOOLEAN, value)


def _integer(lowest: int, highest: int = 2**31 - 1) -> Check:
    out_of_range = found("value", f"The integer must be between {lowest} and {highest}", "整数超出允许范围")

    def check(value: Any) -> Findings:
        if value.__class__ is not int:
            return instead_of(_NOT_AN_INTEGER, value)
        return () if lowest <= value <= highest else out_of_range

    return check


_AS_STORED = Context(prec=_MOST_DIGITS, Emin=-_EXPONENT, Emax=_EXPONENT, traps=[Clamped, Overflow, Rounded, Underflow])


def _check_decimal(value: Any) -> Findings:
    """Accept any number of reasonable size: the specification asks for 18 digits at least, and never a string."""
    if value.__class__ is not Decimal and value.__class__ is not int:
        return instead_of(_NOT_A_NUMBER, value)
    try:
        _AS_STORED.create_decimal(value)
    except DecimalException:
        return _BAD_NUMBER
    return ()


def _check_base64(value: Any) -> Findings:
    if value.__class__ is not str:
        return instead_of(NOT_A_STRING, value)
    try:
        content = binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except ValueError:
        return _BAD_BASE64
    return () if content else EMPTY


def _matching(pattern: str, diagnostics: str, text: str) -> Check:
    matches, mismatch = re.compile(pattern).fullmatch, found("value", diagnostics, text)

    def check(value: Any) -> Findings:
        if value.__class__ is not str:
            return instead_of(NOT_A_STRING, value)
        if matches(value):
            return ()
        return mismatch if value else EMPTY

    return check


_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_YEAR = "(?!0000)[0-9]{4}"
_FULL_DATE = f"(?:{_YEAR}-{_DAY}|(?!0000){_LEAP_YEAR}-02-29)"
_DATE = f"{_FULL_DATE}|{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_check_uri = _matching(r"\S+", "A URI must not contain whitespace", "URI 不能包含空白")

PRIMITIVES: dict[str, Check] = {
    "boolean": _check_boolean,
    "integer": _integer(-(2**31)),
    "unsignedInt": _integer(0),
    "positiveInt": _integer(1),
    "decimal": _check_decimal,
    "string": check_string,
    "markdown": check_string,
    "xhtml": check_xhtml,
    "base64Binary": _check_base64,
    "uri": _check_uri,
    "url": _check_uri,
    "canonical": _check_uri,
    "oid": _matching(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "Not an OID as urn:oid:…", "不是有效的 OID"),
    "uuid": _matching(
        r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "Not a UUID as urn:uuid:…", "不是有效的 UUID"
    ),
    "id": _matching(
        r"[A-Za-z0-9.-]{1,64}", "An id has 1 to 64 of A-Z a-z 0-9 - .", "id 只能由 1 至 64 个字母、数字、- 或 . 组成"
    ),
    "code": _matching(r"\S+(?: \S+)*", "A code has no whitespace but single inner spaces", "代码不能有多余的空白"),
    "date": _matching(_DATE, "Not a date of the calendar as YYYY, YYYY-MM or YYYY-MM-DD", "不是有效的日期"),
    "dateTime": _matching(
        f"{_FULL_DATE}T{_TIME}{_ZONE}|{_DATE}",
        "Not a date of the calendar, or a time without zone",
        "不是有效的日期时间，时间须带时区",
    ),
    "instant": _matching(
        f"{_FULL_DATE}T{_TIME}{_ZONE}", "Not an instant with seconds and zone", "不是有效的时间点，须精确到秒并带时区"
    ),
    "time": _matching(_TIME, "Not a time as hh:mm:ss", "不是有效的时刻"),
}
