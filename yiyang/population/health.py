"""What an elder of the county suffers from, takes and can still do: by age and sex, each ill by chance and the ability by what that adds up to."""

from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import jiter

from yiyang.population.chance import at_age, chance, weighted
from yiyang.population.people import Person

Drug = tuple[str, str]

ALLERGIC: Final = 0.07
_FRAIL: Final = (
    (60, -2.6),
    (70, -1.8),
    (80, -0.6),
    (90, 0.7),
    (100, 1.6),
)  # how far age alone brings an elder to the next level
_STEPS: Final = (0.0, 1.0, 2.0, 3.0)


# systolic pressure of who has no hypertension, diastolic as a share of it, pulse, weight by sex: what they are at an age
_SYSTOLIC: Final = ((60, 122.0), (70, 127.0), (80, 131.0), (90, 130.0))
_SHARE: Final = ((60, 0.62), (70, 0.58), (80, 0.55), (90, 0.53))
_WEIGHT: Final = {"female": ((60, 60.0), (75, 57.0), (90, 49.0)), "male": ((60, 68.0), (75, 65.0), (90, 57.0))}
_SATURATION: Final = ((60, 97.5), (80, 96.5), (95, 95.5))


class Usual(NamedTuple):
    """What an elder's readings lie around."""

    systolic: float
    share: float
    pulse: float
    weight: float
    saturation: int


class Condition(NamedTuple):
    """A diagnosis under its national code; how much it takes of one's ability."""

    national: str
    name: str
    icd10: str
    drugs: tuple[Drug, ...]
    burden: float


class Health(NamedTuple):
    """`level` is that of GB/T 42195, from 0 (able) to 4."""

    conditions: tuple[Condition, ...]
    drugs: tuple[Drug, ...]
    allergy: str | None
    level: int

    def has(self, icd10: str) -> bool:
        return any(each.icd10 == icd10 for each in self.conditions)


def health_of(person: Person, age: int, seed: int = 1) -> Health:
    random = chance(seed, "health", person.number)
    ill = tuple(each for each, by_age in _conditions() if random.random() < at_age(by_age, age))
    drugs = tuple(random.choice(each.drugs) for each in ill if each.drugs)
    allergy = weighted(random, _facts()["allergies"]) if random.random() < ALLERGIC else None
    frailty = at_age(_FRAIL, age) + sum(each.burden for each in ill) + random.gauss(0, 0.7)
    return Health(ill, drugs, allergy, sum(frailty > step for step in _STEPS))


def usual_of(person: Person, age: int, health: Health, seed: int = 1) -> Usual:
    random = chance(seed, "usual", person.number)
    systolic = at_age(_SYSTOLIC, age) + (20 if health.has("I10") else 0) + random.gauss(0, 8)
    pulse = 72 + (8 if health.has("I50") else 0) + random.gauss(0, 6)
    weight = at_age(_WEIGHT[person.gender], age) + (5 if health.has("E11") else 0) + random.gauss(0, 7)
    breathless = 3 * health.has("J44") + 2 * health.has("I50")
    saturation = round(at_age(_SATURATION, age) - breathless + random.gauss(0, 0.7))
    return Usual(systolic, at_age(_SHARE, age), pulse, round(max(weight, 36.0), 1), min(max(saturation, 86), 99))


def level_name(level: int) -> str:
    name: str = _facts()["levels"][level]
    return name


@cache
def _conditions() -> list[tuple[Condition, list[tuple[int, float]]]]:
    return [
        (
            Condition(c["national"], c["name"], c["icd10"], tuple(map(tuple, c["drugs"])), c.get("burden", 0.0)),
            [(age, share) for age, share in c["by_age"]],
        )
        for c in _facts()["conditions"]
    ]


@cache
def _facts() -> dict[str, Any]:
    found: dict[str, Any] = jiter.from_json(files(__package__).joinpath("health.json").read_bytes())
    return found
