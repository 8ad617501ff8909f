"""The units and prefixes of UCUM's table, read on first use: https://ucum.org/ucum#section-Table-of-Codes"""

import json
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec


class Atom(msgspec.Struct, frozen=True):
    """`kind` is `base`, `arbitrary`, the function of a special unit such as `Cel`, or empty for a plain multiple of `unit`."""

    code: str
    is_metric: bool
    value: Fraction
    unit: str
    kind: str


@cache
def atoms() -> dict[str, Atom]:
    found = ((key[5:], record) for key, record in _records().items() if key.startswith("unit "))
    return {code: Atom(code, metric, _fraction(value), unit, kind) for code, (metric, value, unit, kind) in found}


@cache
def prefixes() -> dict[str, Fraction]:
    return {key[7:]: _fraction(record[0]) for key, record in _records().items() if key.startswith("prefix ")}


def _records() -> dict[str, list[Any]]:
    records: dict[str, list[Any]] = json.loads(files(__package__).joinpath("ucum.json").read_bytes())
    return records


def _fraction(text: object) -> Fraction:
    return Fraction(Decimal(str(text)))
