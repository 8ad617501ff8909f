"""Chance that comes out the same every time: each thing has its own, whatever else is made before it."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def chance(*about: object) -> Random:
    """The one of a thing; `about` names it."""
    return Random("/".join(map(str, about)))  # noqa: S311 - not a secret


def weighted(random: Random, weights: Mapping[T, float]) -> T:
    return random.choices([*weights], [*weights.values()])[0]


def at_age(table: Sequence[tuple[int, float]], age: float) -> float:
    """Between the (age, value) of a table, linearly; its ends go on."""
    before = table[0]
    for each in table:
        if age < each[0]:
            share = (age - before[0]) / (each[0] - before[0]) if each[0] > before[0] else 0.0
            return before[1] + max(share, 0.0) * (each[1] - before[1])
        before = each
    return before[1]
