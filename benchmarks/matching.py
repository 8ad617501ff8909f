"""How well Patient/$match tells elders apart: `python -m benchmarks.matching [PEOPLE]`, 20,000 unless told (docs/matching.md).

Each of the people is registered; then registered again with slips, and as many as one in four strangers come. What `$match` would answer is found by the
same searches, features and weights as on the server, over the same index elements in memory.
"""

import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from benchmarks.slips import mistaken, registered
from services.fhir.search.escapes import split, unescape
from services.fhir.search.names import asked, ways_of
from services.fhir.search.strings import normalize
from services.records.matching import Features, Verdict, compare, features_of, searches_for
from services.records.matching.candidates import Search
from yiyang.population.people import person

Json = dict[str, Any]

PEOPLE: Final = 20_000
STRANGERS: Final = 4  # one for so many people
COUPLES: Final = 5  # one of so many shares telephone and address with the next


class Result(NamedTuple):
    """Of all queries: `right` people found, `wrong` ones taken for somebody else, `missed`, strangers left alone."""

    right: int
    wrong: int
    missed: int
    strangers: int

    @property
    def precision(self) -> float:
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        return self.right / max(self.right + self.missed, 1)


class Index:
    """The index elements of the registered people by which the searches look."""

    def __init__(self, people: Iterable[tuple[int, Json]]) -> None:
        self.features: dict[int, Features] = {}
        self._by: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in ("identifier", "phone", "birthdate")
        }
        names: list[tuple[str, int]] = []
        for number, patient in people:
            features = self.features[number] = features_of(patient)
            for each in features.identities | features.numbers:
                self._by["identifier"][each].add(number)
            for phone in features.phones:
                self._by["phone"][phone].add(number)
            if features.birth:
                self._by["birthdate"][features.birth].add(number)
            for name in patient["name"]:
                parts = (name.get("text"), name.get("family"), *name.get("given", ()))
                names += [(way, number) for way in (*ways_of(name), *(normalize(part) for part in parts if part))]
        self._names = sorted(set(names))

    def candidates(self, searches: Iterable[Search]) -> set[int]:
        return {number for search in searches for number in self._found(search)}

    def _found(self, search: Search) -> Iterator[int]:
        bounds = [text for name, text in search if name == "birthdate" and text.startswith(("ge", "le"))]
        found = [self._one(name, text) for name, text in search if text not in bounds]
        for number in set.intersection(*found):
            birth = (self.features[number].birth or "")[:4]
            if all((birth >= each[2:]) if each.startswith("ge") else (birth and birth <= each[2:]) for each in bounds):
                yield number

    def _one(self, name: str, text: str) -> set[int]:
        values = [unescape(value) for value in split(text, ",")]
        if name == "name":
            return {number for value in values for way in asked(value) for number in self._named(way)}
        return set().union(*(self._by[name].get(value, set()) for value in values))

    def _named(self, beginning: str) -> Iterator[int]:
        place = bisect_left(self._names, (beginning, -1))
        while place < len(self._names) and self._names[place][0].startswith(beginning):
            yield self._names[place][1]
            place += 1


def measure(count: int) -> tuple[Result, Counter[str], float]:
    """The result at `probable` and better, how grades fell, and the milliseconds of one match."""
    people = [person(number) for number in range(count + count // STRANGERS)]
    people = [_coupled(each, people) for each in people]
    index = Index((each.number, registered(each)) for each in people[:count])
    tally: Counter[str] = Counter()
    began = time.perf_counter()
    for each in people:
        lender = people[(each.number * 7919 + 13) % count]
        found = _best(mistaken(each, lender), index)
        is_stranger = each.number >= count
        tally[_said(each.number, found, is_stranger=is_stranger)] += 1
        tally[f"{'stranger' if is_stranger else 'known'} {found[1].grade if found else 'nobody'}"] += 1
    each_ms = (time.perf_counter() - began) / len(people) * 1000
    return Result(tally["right"], tally["wrong"], tally["missed"], tally["left"]), tally, each_ms


def _coupled(each: Any, people: list[Any]) -> Any:
    """Couples share a telephone and an address."""
    if each.number % COUPLES == 1:
        return each._replace(phone=people[each.number - 1].phone, address=people[each.number - 1].address)
    return each


def _best(patient: Json, index: Index) -> tuple[int, Verdict] | None:
    """The first that `$match` answers; None where two are equally likely, for then a person decides."""
    asked_for = features_of(patient)
    found = [(n, compare(asked_for, index.features[n])) for n in index.candidates(searches_for(asked_for))]
    ranked = sorted(found, key=lambda each: -each[1].bits)
    if not ranked or (len(ranked) > 1 and ranked[0][1].bits == ranked[1][1].bits):
        return None
    return ranked[0]


def _said(number: int, found: tuple[int, Verdict] | None, *, is_stranger: bool) -> str:
    if found is None or found[1].grade not in ("certain", "probable"):
        return "left" if is_stranger else "missed"
    return "right" if found[0] == number else "wrong"


def main(count: int = PEOPLE) -> None:
    result, tally, milliseconds = measure(count)
    print(
        f"| {count:,} people | precision {result.precision:.4f} | recall {result.recall:.4f} | {milliseconds:.2f} ms a match |"
    )
    for name, number in sorted(tally.items()):
        print(f"| {name} | {number:,} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
