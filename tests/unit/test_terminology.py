"""What is shipped is valid R4, complete and connected: http://hl7.org/fhir/R4/terminology-service.html"""

import json
from importlib.resources import files
from typing import Any

import pytest

from services.fhir import definitions
from services.fhir.terminology.shipped import shipped, shipped_maps, shipped_system
from services.fhir.validation import parse, validate

FOLDER = files(definitions).joinpath("terminology")
FILES = sorted(file.name for file in FOLDER.iterdir() if file.name.endswith(".json"))
MARKS = {"H", "M+", "M", "L"}


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_one_valid_resource_named_by_its_id(name: str) -> None:
    resource = parse(FOLDER.joinpath(name).read_bytes(), None)
    validate(resource)
    assert f"{resource['id']}.json" == name


@pytest.mark.parametrize("name", FILES)
def test_each_code_stands_once_is_shown_in_both_languages_and_marked_where_unsure(name: str) -> None:
    resource = json.loads(FOLDER.joinpath(name).read_bytes())
    if resource["resourceType"] != "CodeSystem":
        return
    system = shipped_system(resource["url"])
    assert system is not None
    assert resource.get("count", len(system.concepts)) == len(system.concepts)
    for concept in system.concepts.values():
        assert [d["language"] for d in concept.designations] == ["en"], concept.code
        assert set(concept.values("confidence")) <= MARKS


def test_each_map_leads_from_a_code_that_is_there_to_one_that_is_there() -> None:
    own = [m for m in shipped_maps() if m["url"].startswith("https://yiyang.example/")]
    assert own
    for concept_map in own:
        for group in concept_map["group"]:
            source, target = shipped_system(group["source"]), shipped_system(group["target"])
            assert source, group["source"]
            known = target or listed(concept_map["targetUri"], group["target"])
            for element in group["element"]:
                assert source.get(element["code"]), (concept_map["url"], element["code"])
                for each in element["target"]:
                    assert "code" not in each or known.get(each["code"]), (concept_map["url"], each)


def listed(value_set: str, system: str) -> dict[str, Any]:
    """The codes of a system that is not shipped, as far as the value set names them."""
    includes = (shipped("ValueSet", value_set) or {})["compose"]["include"]
    return {c["code"]: c for each in includes if each["system"] == system for c in each["concept"]}


def test_the_states_of_a_referral_are_all_mapped_to_a_task_status() -> None:
    system = shipped_system("https://yiyang.example/fhir/CodeSystem/referral-business-status")
    maps = shipped("ConceptMap", "https://yiyang.example/fhir/ConceptMap/referral-business-status-task")
    assert system is not None
    assert maps is not None
    assert [e["code"] for e in maps["group"][0]["element"]] == list(system.concepts)


def test_r4s_facts_hold_its_code_systems_with_their_trees() -> None:
    acts = shipped_system("http://terminology.hl7.org/CodeSystem/v3-ActCode")
    assert acts is not None
    assert "IMP" in acts.descendants("_ActEncounterCode")
    assert acts.concepts["_ActEncounterCode"].is_abstract
    assert shipped("ValueSet", "http://hl7.org/fhir/ValueSet/observation-status") is not None
    assert shipped("CodeSystem", "http://example.org/none") is None
