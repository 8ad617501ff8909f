"""Elders of a county that does not exist: who they are, each by its number, the same every time.

Ages and the share of women follow the seventh census of people over 60, names those of their generation; the figures are plausible, not exact. Their 公民身份号码 begin
with divisions that nobody has, their telephone numbers with 100.
"""

from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Final, Literal, NamedTuple

import jiter

from services.kit.identifiers import id_number
from yiyang.population.chance import at_age, chance, weighted

# years of age → how many of a thousand elders are between this and the next
AGES: Final = {60: 278, 65: 281, 70: 188, 75: 118, 80: 77, 85: 39, 90: 15, 95: 4}
WOMEN: Final = ((60, 0.50), (70, 0.515), (80, 0.56), (90, 0.64), (100, 0.72))
CENSUS: Final = date(2026, 1, 1)
"""The day on which they have their ages: so that they are the same people tomorrow."""
_YEAR: Final = 365.2425
_DIVISIONS: Final = 1000  # 999000 to 999999: no people's numbers begin so
TOWNS: Final = ("滨河", "凤凰", "林荫", "千里山", "乌兰", "拉僧", "新华", "海北")
STREETS: Final = ("人民路", "建设路", "和平街", "新华街", "滨河大道", "团结路", "友谊街", "黄河路", "阳光街", "胜利路")


class Person(NamedTuple):
    """What is known of an elder before anybody cares for her."""

    number: int
    name: str
    surname: str
    gender: Literal["female", "male"]
    birth: date
    id_number: str
    phone: str
    town: str
    address: str

    @property
    def given(self) -> str:
        return self.name[len(self.surname) :]

    def age(self, today: date) -> int:
        return today.year - self.birth.year - ((today.month, today.day) < (self.birth.month, self.birth.day))


def person(number: int, seed: int = 1) -> Person:
    random = chance(seed, "person", number)
    lower = weighted(random, AGES)
    age = lower + random.random() * 5
    gender: Literal["female", "male"] = "female" if random.random() < at_age(WOMEN, age) else "male"
    birth = CENSUS - timedelta(days=int(age * _YEAR) + 1)
    surname = weighted(random, _names()["surnames"])
    town = random.choice(TOWNS)
    street, house, flat = random.choice(STREETS), random.randrange(1, 200), random.randrange(101, 620)
    return Person(
        number,
        surname + _given(gender, random),
        surname,
        gender,
        birth,
        _id_number(number, birth, gender),
        f"100{random.randrange(10**8):08d}",
        town,
        f"{town}街道{street}{house}号{flat}室",
    )


def _id_number(number: int, birth: date, gender: str) -> str:
    """Different for the first half million: by division, then by sequence."""
    sequence = 2 * (number // _DIVISIONS % 499 + 1) - (gender == "male")
    return id_number(f"999{number % _DIVISIONS:03d}", birth, sequence)


def _given(gender: str, random: Random) -> str:
    characters: dict[str, float] = _names()["given"][gender]
    first = weighted(random, characters)
    if random.randrange(100) >= _names()["two_characters"][gender]:
        return first
    return first + weighted(random, characters)


@cache
def _names() -> dict[str, Any]:
    found: dict[str, Any] = jiter.from_json(files(__package__).joinpath("names.json").read_bytes())
    return found
