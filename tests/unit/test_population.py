"""The county of `yiyang generate`: the same every time, plausible, valid, and nobody's."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.fhir.validation import parse, validate
from services.kit.identifiers import facts_of, is_id_number, is_unassigned_division
from services.records.identifiers import examine
from yiyang.cli import main
from yiyang.population.county import County
from yiyang.population.files import directory
from yiyang.population.health import health_of, usual_of
from yiyang.population.people import CENSUS, person
from yiyang.population.records import kept

Json = dict[str, Any]

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
MANY = 4_000


def test_a_person_is_the_same_however_many_are_made_and_another_under_another_seed() -> None:
    assert person(7) == person(7)
    assert person(7, seed=2) != person(7)
    assert kept(7, County(10), NOW) == kept(7, County(10), NOW)


def test_numbers_are_valid_unique_nobodys_and_agree_with_the_record() -> None:
    people = [person(n) for n in range(MANY)]
    assert len({each.id_number for each in people}) == MANY
    for each in people:
        assert is_id_number(each.id_number)
        assert is_unassigned_division(each.id_number[:6])
        assert facts_of(each.id_number) == (each.birth, each.gender)
        assert each.phone.startswith("100")


def test_ages_sexes_names_and_abilities_are_those_of_a_county() -> None:
    people = [person(n) for n in range(MANY)]
    ages = Counter(each.age(CENSUS) // 10 * 10 for each in people)
    assert set(ages) <= {60, 70, 80, 90, 100}
    assert 0.5 < ages[60] / MANY < 0.62
    assert 0.08 < ages[80] / MANY < 0.15
    assert 0.48 < sum(each.gender == "female" for each in people) / MANY < 0.57
    assert Counter(each.surname for each in people).most_common(1)[0][1] / MANY < 0.12
    health = [health_of(each, each.age(CENSUS)) for each in people]
    disabled = [
        sum(h.level > 0 for h, p in zip(health, people, strict=True) if p.age(CENSUS) // 10 == d) / ages[d * 10]
        for d in (6, 7, 8)
    ]
    assert disabled == sorted(disabled)
    assert 0.12 < sum(h.level > 0 for h in health) / MANY < 0.25
    assert 0.5 < sum(h.has("I10") for h in health) / MANY < 0.62


def test_readings_change_with_age_and_illness() -> None:
    people = [person(n) for n in range(MANY)]
    usual = [(p.age(CENSUS), h, usual_of(p, p.age(CENSUS), h)) for p in people for h in [health_of(p, p.age(CENSUS))]]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    high, normal = (mean([u.systolic for _, h, u in usual if h.has("I10") is ill]) for ill in (True, False))
    assert 138 < high < 155
    assert 118 < normal < 134
    young, old = (mean([u.weight for a, _, u in usual if low <= a < low + 10]) for low in (60, 85))
    assert young > old + 4
    assert mean([u.saturation for _, h, u in usual if h.has("J44")]) < mean([u.saturation for _, _, u in usual]) - 1
    assert all(86 <= u.saturation <= 99 and u.weight >= 36 for _, _, u in usual)


@pytest.mark.parametrize("number", range(0, 400, 8))
def test_every_resource_of_an_elder_is_valid_by_the_profiles_that_it_claims(number: int) -> None:
    resources = kept(number, County(400), NOW).resources
    for resource in resources:
        validate(parse(json.dumps(resource).encode(), None))
    assert len({f"{r['resourceType']}/{r['id']}" for r in resources}) == len(resources)
    assert examine(resources[0], NOW.date()) == ()


def test_the_institutions_are_valid() -> None:
    bundles = [*directory(County(2_000))]
    for _, bundle in bundles:
        for entry in bundle["entry"]:
            validate(parse(json.dumps(entry["resource"]).encode(), None))
    assert len(bundles) == 1 + 8 + 5


def test_the_command_writes_a_file_for_each_type_the_same_on_the_same_day(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        assert main(["generate", "--elders", "20", "--day", "2026-11-24", "--output", str(tmp_path / folder)]) == 0
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert {"Patient.ndjson", "Observation.ndjson", "Organization.ndjson"} <= set(names)
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "other" / n).read_bytes() for n in names)
    assert len((tmp_path / "one" / "Patient.ndjson").read_text().splitlines()) == 20
    assert main(["generate", "--elders", "3", "--bundles", "--output", str(tmp_path / "third")]) == 0
    lines = (tmp_path / "third" / "bundles.ndjson").read_text().splitlines()
    assert {json.loads(line)["type"] for line in lines} == {"transaction"}
