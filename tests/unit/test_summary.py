"""Which resources a section of a summary takes of what was found: http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"""

from typing import Any

from services.fhir.definitions import search_parameters
from services.fhir.terminology.shipped import shipped_system
from services.records.summary.found import filled, taken
from services.records.summary.sections import ASKS, LOCAL, SECTIONS, Ask, Part
from tests.builders import LOINC, coded, condition, observation

Json = dict[str, Any]

ANY = Part(Ask("Observation"))


def nothing(_: Any) -> Json | None:
    return None


def numbered(*resources: Json) -> list[Json]:
    return [each | {"id": str(n)} for n, each in enumerate(resources)]


def ids(part: Part, *resources: Json) -> list[str]:
    return [each["id"] for each in taken(part, numbered(*resources))]


def test_what_was_recorded_by_mistake_is_never_taken() -> None:
    assert ids(ANY, observation(), observation(status="entered-in-error")) == ["0"]


def test_of_each_code_the_first_is_taken() -> None:
    newest = Part(ANY.ask, is_latest=True)
    pulse, unnamed = observation(), observation(code={"text": "步数"})
    assert ids(newest, pulse, unnamed, pulse, unnamed, observation(code={"text": "里程"})) == ["0", "1", "4"]


def test_codes_of_a_whole_system_or_one_of_it() -> None:
    pulse = observation()
    assert ids(Part(ANY.ask, of=frozenset({f"{LOINC}|"})), pulse) == ["0"]
    assert ids(Part(ANY.ask, of=frozenset({f"{LOINC}|8867-4"})), pulse) == ["0"]
    assert ids(Part(ANY.ask, of=frozenset({"urn:other|8867-4"})), pulse) == []
    assert ids(Part(ANY.ask, but=frozenset({f"{LOINC}|"})), pulse, observation(code={"text": "步数"})) == ["1"]


def test_a_category_and_a_state_can_be_asked_for() -> None:
    survey = observation(category=[coded("urn:c", "survey")])
    assert ids(Part(ANY.ask, category=frozenset({"urn:c|survey"})), observation(), survey) == ["1"]
    assert ids(Part(ANY.ask, standing=frozenset({"amended"})), observation(), observation(status="amended")) == ["1"]


def test_a_section_tells_each_resource_once_in_its_order() -> None:
    conditions = next(ask for ask in ASKS if ask.type == "Condition")
    several = numbered(condition("Patient/1"), condition("Patient/1"))
    problems = next(each for each in filled({conditions: several}, nothing) if each.section.code == "11450-4")
    assert [each["id"] for each in problems.resources] == ["0", "1"]


def test_only_where_it_was_not_looked_a_section_is_withheld() -> None:
    nobody: dict[Ask, list[Json]] = {ask: [] for ask in ASKS}
    assert not any(each.is_withheld for each in filled(nobody, nothing))
    assert all(each.is_withheld for each in filled({}, nothing))


def test_every_section_can_be_asked_for_and_has_a_name() -> None:
    own = shipped_system(LOCAL)
    assert own is not None
    assert len({section.code for section in SECTIONS}) == len(SECTIONS)
    assert all(own.get(section.code) for section in SECTIONS if section.system == LOCAL)
    assert {s.code for s in SECTIONS if s.kind == "required"} == {"48765-2", "11450-4", "10160-0"}
    for ask in ASKS:
        named = {name.partition(":")[0] for name, _ in ask.where} | {ask.sort.removeprefix("-")}
        assert named <= {*search_parameters(ask.type), "_id"}, ask
