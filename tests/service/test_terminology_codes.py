"""$lookup, $validate-code and $translate: http://hl7.org/fhir/R4/terminology-service.html"""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.house import Fhir, Json, Response
from tests.matchers import assert_outcome

OURS = "https://yiyang.example/fhir"
SEX = "urn:oid:2.16.156.10011.2.3.3.4"
PEOPLES = "urn:oid:2.16.156.10011.2.3.3.3"
FAMILY = "urn:oid:2.16.156.10011.2.3.3.8"
GENDER = "http://hl7.org/fhir/administrative-gender"
STATUS = f"{OURS}/CodeSystem/referral-business-status"


def plain(response: Response) -> dict[str, Any]:
    """The parameters that come once, by name."""
    assert response.status_code == 200, response.text
    return {p["name"]: value(p) for p in response.json()["parameter"] if "part" not in p}


def value(parameter: Json) -> Any:
    return next(v for name, v in parameter.items() if name.startswith("value"))


def groups(response: Response, name: str) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found = [p["part"] for p in response.json()["parameter"] if p["name"] == name]
    return [{part["name"]: value(part) for part in parts} for parts in found]


async def test_lookup_tells_all_that_is_known_of_a_code(fhir: Fhir) -> None:
    answer = await fhir.get(f"/CodeSystem/$lookup?system={PEOPLES}&code=02")
    assert plain(answer)["display"] == "蒙古族"
    assert plain(answer)["version"] == "1991"
    assert {"language": "en", "value": "Mongol"} in groups(answer, "designation")
    assert {"code": "letters", "value": "MG"} in groups(answer, "property")
    unsure = await fhir.get(f"/CodeSystem/$lookup?system={PEOPLES}&code=56")
    assert {"code": "confidence", "value": "M"} in groups(unsure, "property")


async def test_lookup_follows_the_tree_and_gives_what_is_asked_for(fhir: Fhir) -> None:
    answer = await fhir.get(f"/CodeSystem/$lookup?system={FAMILY}&code=51&property=parent&displayLanguage=en")
    assert plain(answer)["display"] == "Father"
    assert groups(answer, "property") == [{"code": "parent", "value": "5"}]
    below = groups(await fhir.get(f"/CodeSystem/$lookup?system={FAMILY}&code=1&property=child"), "property")
    assert [p["value"] for p in below] == ["10", "11", "12"]


async def test_lookup_of_a_coding_in_a_body(fhir: Fhir) -> None:
    coding = {"system": GENDER, "code": "female"}
    body = {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": coding}]}
    answer = await fhir.post("/CodeSystem/$lookup", body)
    assert plain(answer)["display"] == "Female"
    assert {"code": "definition", "value": "Female."} in groups(answer, "property")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (f"system={SEX}&code=3", 404, "not-found"),
        ("system=http://example.org/none&code=3", 404, "not-found"),
        (f"system={SEX}&version=1980&code=1", 404, "not-found"),
        ("code=1", 400, "value"),
        (f"system={SEX}", 400, "required"),
        (f"system={SEX}&code=1&date=2020", 400, "not-supported"),
    ],
)
async def test_lookup_tells_what_it_cannot_find(fhir: Fhir, query: str, status: int, code: str) -> None:
    assert_outcome(await fhir.get(f"/CodeSystem/$lookup?{query}"), status, code)


@pytest.mark.parametrize(
    ("query", "is_valid"),
    [
        (f"system={SEX}&code=1", True),
        (f"system={SEX}&code=1&display={quote('男性')}", True),
        (f"system={SEX}&code=1&display=MALE", True),
        (f"system={SEX}&code=1&display={quote('女性')}", False),
        (f"system={SEX}&code=3", False),
        (f"system={GENDER}&code=male", False),
        ("code=1", True),
        (f"system={SEX}&systemVersion=1980&code=1", False),
    ],
)
async def test_a_code_is_in_a_value_set_or_not(fhir: Fhir, query: str, is_valid: object) -> None:
    answer = plain(await fhir.get(f"/ValueSet/$validate-code?url={OURS}/ValueSet/gbt-2261-1&{query}"))
    assert answer["result"] is is_valid
    assert is_valid or answer["message"]


async def test_one_right_coding_makes_a_concept_right(fhir: Fhir) -> None:
    url = f"{OURS}/ValueSet/gbt-2261-1"
    codings = [{"system": "http://example.org/local", "code": "M"}, {"system": SEX, "code": "1"}]
    parts = [{"name": "url", "valueUri": url}, {"name": "codeableConcept", "valueCodeableConcept": {"coding": codings}}]
    answer = plain(await fhir.post("/ValueSet/$validate-code", {"resourceType": "Parameters", "parameter": parts}))
    assert (answer["result"], answer["display"]) == (True, "男性")


async def test_a_rule_that_nobody_here_can_follow_validates_nothing(fhir: Fhir) -> None:
    include = [{"system": "http://loinc.org"}, {"system": SEX}]
    value_set = {"resourceType": "ValueSet", "status": "active", "compose": {"include": include}}
    stored = await fhir.created(value_set)
    known = await fhir.get(f"/ValueSet/{stored['id']}/$validate-code?system={SEX}&code=2")
    assert plain(known)["result"] is True
    unknown = plain(await fhir.get(f"/ValueSet/{stored['id']}/$validate-code?system=http://loinc.org&code=8867-4"))
    assert unknown["result"] is False
    assert "not known here" in unknown["message"]


@pytest.mark.parametrize(
    ("query", "is_valid"),
    [
        (f"url={PEOPLES}&code=01", True),
        (f"url={PEOPLES}&code=57", False),
        (f"url={PEOPLES}&code=01&display=Han", True),
        ("url=http://terminology.hl7.org/CodeSystem/v3-ActCode&code=AMB", True),
    ],
)
async def test_a_code_is_in_a_code_system_or_not(fhir: Fhir, query: str, is_valid: object) -> None:
    assert plain(await fhir.get(f"/CodeSystem/$validate-code?{query}"))["result"] is is_valid


async def test_a_stored_code_system_validates_its_codes(fhir: Fhir) -> None:
    system: Json = {"resourceType": "CodeSystem", "url": f"http://example.org/{uuid4()}", "status": "active"}
    gone = {"code": "b", "property": [{"code": "inactive", "valueBoolean": True}]}
    stored = await fhir.created(
        system | {"content": "complete", "caseSensitive": False, "concept": [{"code": "a"}, gone]}
    )
    path = f"/CodeSystem/{stored['id']}/$validate-code"
    assert plain(await fhir.get(f"{path}?code=A"))["result"] is True
    assert "no longer active" in plain(await fhir.get(f"{path}?code=b"))["message"]
    assert_outcome(await fhir.get("/CodeSystem/nobody/$validate-code?code=a"), 404, "not-found")
    assert_outcome(await fhir.get("/CodeSystem/$validate-code?code=a"), 400, "required")


async def test_translate_by_the_systems_alone(fhir: Fhir) -> None:
    answer = await fhir.get(f"/ConceptMap/$translate?system={SEX}&code=5&targetsystem={GENDER}")
    assert plain(answer)["result"] is True
    (match,) = groups(answer, "match")
    assert match["equivalence"] == "wider"
    assert match["concept"] == {"system": GENDER, "code": "other", "display": "Other"}
    assert match["source"] == f"{OURS}/ConceptMap/gbt-2261-1-administrative-gender"


async def test_translate_to_bser_and_to_task_status(fhir: Fhir) -> None:
    bser = await fhir.get(
        f"/ConceptMap/$translate?url={OURS}/ConceptMap/referral-business-status-bser&system={STATUS}&code=withdrawn"
    )
    assert [m["concept"]["code"] for m in groups(bser, "match")] == ["5.2", "6.0"]
    query = f"source={OURS}/ValueSet/referral-business-status&target=http://hl7.org/fhir/ValueSet/task-status"
    (task,) = groups(await fhir.get(f"/ConceptMap/$translate?{query}&system={STATUS}&code=scheduled"), "match")
    assert task["concept"]["code"] == "ready"


async def test_translate_backward(fhir: Fhir) -> None:
    query = f"system={GENDER}&code=unknown&targetsystem={SEX}&reverse=true"
    matches = groups(await fhir.get(f"/ConceptMap/$translate?{query}"), "match")
    assert [(m["concept"]["code"], m["equivalence"]) for m in matches] == [("0", "equivalent"), ("9", "narrower")]


async def test_what_has_no_translation_says_so(fhir: Fhir) -> None:
    marital = "urn:oid:2.16.156.10011.2.3.3.5"
    unmatched = await fhir.get(f"/ConceptMap/$translate?system={marital}&code=90")
    assert plain(unmatched)["result"] is False
    assert groups(unmatched, "match")[0]["equivalence"] == "unmatched"
    nothing = plain(await fhir.get(f"/ConceptMap/$translate?system={SEX}&code=3"))
    assert nothing["result"] is False
    assert nothing["message"]
    assert_outcome(await fhir.get("/ConceptMap/$translate?url=http://example.org/no&system=a&code=b"), 404, "not-found")
    assert_outcome(await fhir.get("/ConceptMap/$translate?code=b"), 400, "value")


async def test_a_stored_map_with_a_rule_for_the_rest(fhir: Fhir) -> None:
    url = f"http://example.org/{uuid4()}"
    group: Json = {"source": "http://example.org/s", "target": "http://example.org/t"}
    group["element"] = [{"code": "a", "target": [{"code": "x", "display": "某", "equivalence": "equal"}]}]
    group["unmapped"] = {"mode": "fixed", "code": "other", "display": "Other"}
    stored = await fhir.created({"resourceType": "ConceptMap", "url": url, "status": "active", "group": [group]})
    path = f"/ConceptMap/{stored['id']}/$translate?system=http://example.org/s"
    (match,) = groups(await fhir.get(f"{path}&code=a"), "match")
    assert match["concept"] == {"system": "http://example.org/t", "code": "x", "display": "某"}
    (rest,) = groups(await fhir.get(f"{path}&code=z"), "match")
    assert (rest["concept"]["code"], rest["equivalence"]) == ("other", "inexact")
