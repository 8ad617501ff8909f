"""Compare two people: evidence added up in bits, then graded: https://doi.org/10.1080/01621459.1969.10501049

The weights are data (weights.json). What one of the two does not say counts for nothing.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec

from services.records.matching.features import Features, Name

Grade = Literal["certain", "probable", "possible", "certainly-not"]
"""http://hl7.org/fhir/R4/valueset-match-grade.html"""

_CALENDAR_DAYS: Final = (17, 52)  # a birthday of the lunar calendar taken for one of the solar
_SHARED: Final = 0.55  # of the pairs of characters of two addresses that are nearly the same
_PLACE: Final = 0.25


class Weights(msgspec.Struct, frozen=True):
    features: Mapping[str, Mapping[str, float]]
    grades: Mapping[str, float]
    certain_needs: Mapping[str, tuple[str, ...]]


class Verdict(msgspec.Struct, frozen=True):
    """`evidence` says of each feature what was seen; `score` is between 0 and 1."""

    bits: float
    grade: Grade
    evidence: Mapping[str, str]

    @property
    def score(self) -> float:
        exponent = max(min(self.bits - weights().grades["probable"], 60.0), -60.0)
        return round(1 / (1 + 2**-exponent), 4)


@cache
def weights() -> Weights:
    return msgspec.json.decode(files(__package__).joinpath("weights.json").read_bytes(), type=Weights)


def compare(one: Features, other: Features) -> Verdict:
    evidence = {
        "identifier": _identifier(one, other),
        "number": "same" if one.numbers & other.numbers else "none",
        "name": _best("name", (_name(a, b) for a in one.names for b in other.names)),
        "birth": _birth(one.birth, other.birth),
        "gender": "none" if not (one.gender and other.gender) else "same" if one.gender == other.gender else "other",
        "phone": _best("phone", (_phone(a, b) for a in one.phones for b in other.phones)),
        "address": _best("address", (_address(a, b) for a in one.addresses for b in other.addresses)),
    }
    bits = sum(weights().features[feature][seen] for feature, seen in evidence.items())
    return Verdict(round(bits, 2), _grade(bits, evidence), evidence)


def _grade(bits: float, evidence: Mapping[str, str]) -> Grade:
    """Certain is nobody whose name or birth date is not as good as the same."""
    limits, needs = weights().grades, weights().certain_needs
    if bits >= limits["certain"] and all(evidence[feature] in seen for feature, seen in needs.items()):
        return "certain"
    if bits >= limits["probable"]:
        return "probable"
    return "possible" if bits >= limits["possible"] else "certainly-not"


def _best(feature: str, seen: Iterable[str]) -> str:
    lines = weights().features[feature]
    return max(seen, key=lambda each: lines[each], default="none")


def _identifier(one: Features, other: Features) -> str:
    if not one.identities or not other.identities:
        return "none"
    if one.identities & other.identities:
        return "same"
    pairs = [(a, b) for a in one.identities for b in other.identities if a.partition("|")[0] == b.partition("|")[0]]
    if not pairs:
        return "none"
    return "similar" if any(is_slip(a, b) for a, b in pairs) else "other"


def _name(one: Name, other: Name) -> str:
    if one.written == other.written:
        return "same"
    if one.written == other.turned or one.turned == other.written:
        return "turned"
    if one.said & other.said:
        return "homophone"
    if is_slip(one.written, other.written) and min(len(one.written), len(other.written)) > 1:
        return "similar" if one.surname == other.surname or len(one.written) > 2 else "surname"  # noqa: PLR2004 - a given name of two
    if any(is_slip(a, b) for a in one.said for b in other.said):
        return "sounds-similar"
    return "surname" if one.surname == other.surname else "other"


def _birth(one: str | None, other: str | None) -> str:
    if not one or not other:
        return "none"
    shorter = min(len(one), len(other))
    if shorter < len("2000-01-01"):
        return "none" if one[:shorter] == other[:shorter] else "other"
    return "same" if one == other else _other_birth(one, other)


def _other_birth(one: str, other: str) -> str:
    if one[:4] == other[:4] and (one[5:7], one[8:]) == (other[8:], other[5:7]):
        return "turned"
    if is_slip(one.replace("-", ""), other.replace("-", "")):
        return "digit"
    if _CALENDAR_DAYS[0] <= abs(_days(one) - _days(other)) <= _CALENDAR_DAYS[1]:
        return "calendar"
    return "year" if one[:4] == other[:4] else "other"


def _days(text: str) -> int:
    """About: enough to tell weeks apart."""
    return int(text[:4]) * 365 + int(text[5:7]) * 30 + int(text[8:10])


def _phone(one: str, other: str) -> str:
    return "same" if one == other else "similar" if is_slip(one, other) else "other"


def _address(one: str, other: str) -> str:
    if one == other:
        return "same"
    a, b = _pairs(one), _pairs(other)
    shared = len(a & b) / max(min(len(a), len(b)), 1)
    return "similar" if shared >= _SHARED else "place" if shared >= _PLACE else "other"


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def is_slip(one: str, other: str) -> bool:
    """One character typed wrong, left out or added, or two next to each other exchanged."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest = one[start:], other[start:]
    if len(one) != len(other):
        longer, shorter = sorted(rest, key=len, reverse=True)
        return longer[1:] == shorter
    exchanged = rest[0][:2] == rest[1][:2][::-1] and rest[0][2:] == rest[1][2:]
    return exchanged or rest[0][1:] == rest[1][1:]
