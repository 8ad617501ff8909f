"""Chinese identifiers with their check characters: GB 11643-1999, GB 32100-2015, GB 11714-1997.

https://openstd.samr.gov.cn
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"
_ORGANIZATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z
_USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

# GB/T 2260: the first two digits of every division, 83 being the residence permit for people of Taiwan.
_PROVINCES: Final = frozenset(
    {*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83}
)
_FOREIGN_RESIDENT: Final = "9"  # GB 11643's sister card: 9, then the division's first two digits


def id_number(division: str, birth: date, sequence: int) -> str:
    """A 身份证号 of 18 characters; an odd sequence (1-999) is a man's, an even one a woman's."""
    body = f"{division}{birth:%Y%m%d}{sequence:03d}"
    return body + _ID_CHECKS[_weighted(map(int, body), _ID_WEIGHTS) % 11]


def is_id_number(text: str) -> bool:
    """Whether form, birth date and check character are right. An unknown division is no fault: some were abolished."""
    if len(text) != 18 or not (text[:17].isascii() and text[:17].isdigit()):  # noqa: PLR2004
        return False
    try:
        birth = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return text == id_number(text[:6], birth, int(text[14:17]))


def is_unassigned_division(division: str) -> bool:
    """Whether no person's number can begin so: neither a citizen's nor a foreign permanent resident's."""
    province = division[1:3] if division.startswith(_FOREIGN_RESIDENT) else division[:2]
    return int(province) not in _PROVINCES


def organization_code(body: str) -> str:
    """The nine characters of GB 11714 from the first eight."""
    check = 11 - _weighted((int(character, 36) for character in body), _ORGANIZATION_WEIGHTS) % 11
    return body + {10: "X", 11: "0"}.get(check, str(check))


def uscc(kind: str, division: str, body: str) -> str:
    """A 统一社会信用代码: registering department and kind (two characters), division, organisation code from its body."""
    code = f"{kind}{division}{organization_code(body)}"
    total = _weighted(map(_USCC_ALPHABET.index, code), _USCC_WEIGHTS)
    return code + _USCC_ALPHABET[(31 - total % 31) % 31]


def is_uscc(text: str) -> bool:
    if len(text) != 18 or not set(text) <= set(_USCC_ALPHABET) or not text[2:8].isdigit():  # noqa: PLR2004
        return False
    total = _weighted(map(_USCC_ALPHABET.index, text[:17]), _USCC_WEIGHTS)
    return text[17] == _USCC_ALPHABET[(31 - total % 31) % 31]


def referral_number(institution: str, day: date, sequence: int) -> str:
    """A 转诊编号: the institution's short code, the day, six digits."""
    return f"{institution}{day:%Y%m%d}{sequence:06d}"


def _weighted(values: Iterable[int], weights: tuple[int, ...]) -> int:
    return sum(value * weight for value, weight in zip(values, weights, strict=True))
