"""Chinese identifiers with their check characters: GB 11643-1999, GB 32100-2015, GB 11714-1997, WS 218-2002.

https://openstd.samr.gov.cn. What an identifier says of a person or an institution, and what exactly is wrong with one that can't be; the text of a
fault never holds the value.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, Literal, NamedTuple

_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"
_ID_FORM: Final = re.compile(r"[1-9][0-9]{16}[0-9Xx]", re.ASCII)
_LEGACY_FORM: Final = re.compile(r"[1-9][0-9]{14}", re.ASCII)
_LEGACY_CENTURY: Final = "19"
_ORGANIZATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANIZATION_FORM: Final = re.compile(r"[0-9A-Z]{8}-?[0-9X]", re.ASCII)
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z
_USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_FORM: Final = re.compile(rf"[{_USCC_ALPHABET}]{{2}}[0-9]{{6}}[{_USCC_ALPHABET}]{{10}}", re.ASCII)

# GB/T 2260: the first two digits of every division, 83 being the residence permit for people of Taiwan.
_PROVINCES: Final = frozenset(
    {*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83}
)
_FOREIGN_RESIDENT: Final = "9"  # GB 11643's sister card: 9, then the division's first two digits


class Fault(NamedTuple):
    """What is wrong: English for engineers, Chinese for people, never the value itself."""

    diagnostics: str
    text: str


class Facts(NamedTuple):
    """What a 身份证号 says of its person."""

    birth: date
    gender: Literal["male", "female"]


# ---- 公民身份号码, GB 11643-1999 --------------------------------------------------------------------------------------------------


def id_number(division: str, birth: date, sequence: int) -> str:
    """A 身份证号 of 18 characters; an odd sequence (1-999) is a man's, an even one a woman's."""
    return _with_id_check(f"{division}{birth:%Y%m%d}{sequence:03d}")


def id_check(body: str) -> str:
    """The check character of the first 17 digits."""
    return _ID_CHECKS[_weighted(map(int, body), _ID_WEIGHTS) % 11]


def canonical_id_number(text: str) -> str:
    """One spelling for one number: 18 characters, X in upper case, one of 15 digits under its century. What is no number stays."""
    text = text.strip()
    if _LEGACY_FORM.fullmatch(text):
        return _with_id_check(f"{text[:6]}{_LEGACY_CENTURY}{text[6:]}")
    return text.upper() if _ID_FORM.fullmatch(text) else text


def id_number_fault(text: str, today: date) -> Fault | None:
    """None for a number that can be somebody's. An unknown division is no fault: some were abolished, their numbers stay."""
    if not (_ID_FORM.fullmatch(text) or _LEGACY_FORM.fullmatch(text)):
        return Fault(
            "a national ID has 17 digits and a check character, or 15 digits",
            "身份证号应为 17 位数字加校验码，或 15 位",
        )
    number = canonical_id_number(text)
    birth = _date(number[6:14])
    if birth is None:
        return Fault("the birth date in the national ID is no date", "身份证号中的出生日期不存在")
    if birth > today:
        return Fault("the birth date in the national ID is in the future", "身份证号中的出生日期晚于今天")
    if number[17] != id_check(number[:17]):
        return Fault("the check character of the national ID is wrong", "身份证号校验码错误")
    return None


def is_id_number(text: str) -> bool:
    """Whether it is one of 18 characters, written as the standard does, whose check character is right."""
    return len(text) == 18 and text == canonical_id_number(text) and id_number_fault(text, date.max) is None  # noqa: PLR2004


def facts_of(number: str) -> Facts | None:
    """The facts in a number of either length; None where it is wrong."""
    if id_number_fault(number, date.max):
        return None
    found = canonical_id_number(number)
    birth = _date(found[6:14])
    return Facts(birth, "male" if int(found[16]) % 2 else "female") if birth else None


def is_unassigned_division(division: str) -> bool:
    """Whether no person's number can begin so: neither a citizen's nor a foreign permanent resident's."""
    province = division[1:3] if division.startswith(_FOREIGN_RESIDENT) else division[:2]
    return int(province) not in _PROVINCES


def _with_id_check(body: str) -> str:
    return body + id_check(body)


def _date(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


# ---- institutions ---------------------------------------------------------------------------------------------------------------


def organization_code(body: str) -> str:
    """The nine characters of GB 11714 from the first eight."""
    check = 11 - _weighted((int(character, 36) for character in body), _ORGANIZATION_WEIGHTS) % 11
    return body + {10: "X", 11: "0"}.get(check, str(check))


def organization_code_fault(text: str) -> Fault | None:
    """The hyphen before the check character may be left out."""
    if not _ORGANIZATION_FORM.fullmatch(text):
        return Fault(
            "an organisation code has eight digits or letters and a check character", "组织机构代码应为 8 位加校验码"
        )
    if organization_code(text[:8])[8] != text[-1]:
        return Fault("the check character of the organisation code is wrong", "组织机构代码校验码错误")
    return None


def uscc(kind: str, division: str, body: str) -> str:
    """A 统一社会信用代码: registering department and kind (two characters), division, organisation code from its body."""
    code = f"{kind}{division}{organization_code(body)}"
    return code + _uscc_check(code)


def uscc_fault(text: str) -> Fault | None:
    """Departments beyond those of the standard's table are registered too, so the first character may be any."""
    if not _USCC_FORM.fullmatch(text):
        return Fault(
            "a unified social credit code has 18 characters of its alphabet, digits where the division stands",
            "统一社会信用代码应为 18 位，不含 I、O、S、V、Z，第 3 至 8 位为数字",
        )
    if text[17] != _uscc_check(text[:17]):
        return Fault("the check character of the unified social credit code is wrong", "统一社会信用代码校验码错误")
    return None


def is_uscc(text: str) -> bool:
    return uscc_fault(text) is None


def _uscc_check(code: str) -> str:
    total = _weighted(map(_USCC_ALPHABET.index, code), _USCC_WEIGHTS)
    return _USCC_ALPHABET[(31 - total % 31) % 31]


def referral_number(institution: str, day: date, sequence: int) -> str:
    """A 转诊编号: the institution's short code, the day, six digits."""
    return f"{institution}{day:%Y%m%d}{sequence:06d}"


def _weighted(values: Iterable[int], weights: tuple[int, ...]) -> int:
    return sum(value * weight for value, weight in zip(values, weights, strict=True))
