"""ValueSet/$expand: http://hl7.org/fhir/R4/valueset-operation-expand.html"""

from urllib.parse import quote
from uuid import uuid4

from tests.house import Fhir, Json
from tests.matchers import assert_outcome

OURS = "https://yiyang.example/fhir"
SEX = "urn:oid:2.16.156.10011.2.3.3.4"
PEOPLES = f"{OURS}/ValueSet/gbt-3304"
FAMILY = "urn:oid:2.16.156.10011.2.3.3.8"


async def expanded(fhir: Fhir, query: str) -> Json:
    answer = await fhir.get(f"/ValueSet/$expand?{query}")
    assert answer.status_code == 200, answer.text
    value_set: Json = answer.json()
    assert value_set["resourceType"] == "ValueSet"
    expansion: Json = value_set["expansion"]
    return expansion


def codes(expansion: Json) -> list[str]:
    return [line["code"] for line in expansion.get("contains", ())]


async def inline(fhir: Fhir, **compose: object) -> Json:
    return await inline_of(fhir, {"resourceType": "ValueSet", "status": "active", "compose": compose})


async def inline_of(fhir: Fhir, value_set: Json) -> Json:
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": value_set}]}
    answer = await fhir.post("/ValueSet/$expand", body)
    assert answer.status_code == 200, answer.text
    expansion: Json = answer.json()["expansion"]
    return expansion


async def test_a_shipped_value_set_shows_chinese_and_on_request_english(fhir: Fhir) -> None:
    expansion = await expanded(fhir, f"url={OURS}/ValueSet/gbt-2261-1")
    assert codes(expansion) == ["0", "1", "2", "5", "6", "9"]
    assert expansion["total"] == 6
    assert expansion["contains"][1] == {"system": SEX, "version": "2003", "code": "1", "display": "男性"}
    assert {"name": "version", "valueUri": f"{SEX}|2003"} in expansion["parameter"]
    english = await expanded(fhir, f"url={OURS}/ValueSet/gbt-2261-1&displayLanguage=en&includeDesignations=true")
    assert english["contains"][1]["display"] == "Male"
    assert english["contains"][1]["designation"] == [{"language": "en", "value": "Male"}]
    assert {"name": "displayLanguage", "valueCode": "en"} in english["parameter"]


async def test_r4s_own_value_sets_are_there_by_rule(fhir: Fhir) -> None:
    assert codes(await expanded(fhir, "url=http://hl7.org/fhir/ValueSet/administrative-gender")) == [
        "male",
        "female",
        "other",
        "unknown",
    ]
    encounter = await expanded(fhir, "url=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode")
    assert {"AMB", "IMP", "EMER", "ACUTE"} <= set(codes(encounter))


async def test_a_filter_finds_by_code_by_chinese_and_by_english(fhir: Fhir) -> None:
    assert codes(await expanded(fhir, f"url={PEOPLES}&filter={quote('蒙古')}")) == ["02"]
    assert codes(await expanded(fhir, f"url={PEOPLES}&filter=mongol")) == ["02"]
    assert codes(await expanded(fhir, f"url={PEOPLES}&filter=56")) == ["56"]
    assert codes(await expanded(fhir, f"url={PEOPLES}&filter=nobody")) == []


async def test_pages_are_by_offset_and_count(fhir: Fhir) -> None:
    page = await expanded(fhir, f"url={PEOPLES}&offset=50&count=4")
    assert (codes(page), page["total"], page["offset"]) == (["51", "52", "53", "54"], 56, 50)
    size = await expanded(fhir, f"url={PEOPLES}&count=0")
    assert (size["total"], "contains" in size) == (56, False)


async def test_rules_include_filter_and_exclude(fhir: Fhir) -> None:
    parents = {"property": "concept", "op": "descendent-of", "value": "5"}
    expansion = await inline(
        fhir,
        include=[{"system": FAMILY, "filter": [parents]}],
        exclude=[{"system": FAMILY, "concept": [{"code": "59"}]}],
    )
    assert codes(expansion) == ["50", "51", "52", "53", "54", "55", "56", "57", "58"]
    itself = {"property": "concept", "op": "is-a", "value": "5"}
    assert "5" in codes(await inline(fhir, include=[{"system": FAMILY, "filter": [itself]}]))
    sure = {"property": "confidence", "op": "exists", "value": "false"}
    assert codes(await inline(fhir, include=[{"system": FAMILY, "filter": [sure]}])) == list("012345678")


async def test_value_sets_inside_an_include_intersect(fhir: Fhir) -> None:
    few: Json = {"resourceType": "ValueSet", "url": f"http://example.org/{uuid4()}", "status": "active"}
    few["compose"] = {"include": [{"system": SEX, "concept": [{"code": "1"}, {"code": "2", "display": "女"}]}]}
    await fhir.created(few)
    both = [few["url"], f"{OURS}/ValueSet/gbt-2261-1"]
    assert codes(await inline(fhir, include=[{"valueSet": both}])) == ["1", "2"]
    assert codes(await inline(fhir, include=[{"system": SEX, "valueSet": [few["url"]]}])) == ["1", "2"]


async def test_stored_resources_are_found_by_url_by_version_and_by_id(fhir: Fhir) -> None:
    url = f"http://example.org/{uuid4()}"
    system = {"resourceType": "CodeSystem", "url": f"{url}/cs", "status": "active", "content": "complete"}
    await fhir.created(system | {"concept": [{"code": "a", "display": "甲"}, {"code": "b", "display": "乙"}]})
    old: Json = {"resourceType": "ValueSet", "url": url, "version": "1", "status": "active"}
    old["compose"] = {"include": [{"system": f"{url}/cs", "concept": [{"code": "a"}]}]}
    new = old | {"version": "2", "compose": {"include": [{"system": f"{url}/cs"}]}}
    first, _ = await fhir.created(old), await fhir.created(new)
    assert codes(await expanded(fhir, f"url={url}")) == ["a", "b"]
    assert codes(await expanded(fhir, f"url={url}&valueSetVersion=1")) == ["a"]
    assert codes(await expanded(fhir, f"url={quote(url + '|1')}")) == ["a"]
    by_id = (await fhir.get(f"/ValueSet/{first['id']}/$expand")).json()
    assert by_id["expansion"]["contains"][0]["display"] == "甲"
    assert_outcome(await fhir.get(f"/ValueSet/$expand?url={url}&valueSetVersion=3"), 404, "not-found")


async def test_an_expansion_without_rules_is_itself(fhir: Fhir) -> None:
    contains = [{"system": SEX, "code": "1", "contains": [{"system": SEX, "code": "2", "inactive": True}]}]
    expansion = {"timestamp": "2024-05-01T10:00:00+08:00", "contains": contains}
    held = {"resourceType": "ValueSet", "status": "active", "expansion": expansion}
    assert codes(await inline_of(fhir, held)) == ["1", "2"]


async def test_what_cannot_be_expanded_completely_is_refused(fhir: Fhir) -> None:
    async def refused(compose: Json, status: int, code: str) -> None:
        value_set = {"resourceType": "ValueSet", "url": "http://example.org/me", "status": "active", "compose": compose}
        body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": value_set}]}
        assert_outcome(await fhir.post("/ValueSet/$expand", body), status, code)

    await refused({"include": [{"system": "http://loinc.org"}]}, 422, "not-found")
    await refused({"include": [{"valueSet": ["http://example.org/nowhere"]}]}, 422, "not-found")
    await refused({"include": [{"valueSet": ["http://example.org/me"]}]}, 422, "processing")
    slow = {"property": "code", "op": "regex", "value": "(a+)+$"}
    await refused({"include": [{"system": SEX, "filter": [slow]}]}, 422, "not-supported")
    assert_outcome(await fhir.get("/ValueSet/$expand"), 400, "required")
    assert_outcome(await fhir.get("/ValueSet/$expand?url=http://example.org/nowhere"), 404, "not-found")
    assert_outcome(await fhir.get(f"/ValueSet/$expand?url={PEOPLES}&date=2020-01-01"), 400, "not-supported")
    assert_outcome(await fhir.get(f"/ValueSet/$expand?url={PEOPLES}&count=-1"), 400, "value")


async def test_listed_codes_of_an_unknown_system_are_still_listed(fhir: Fhir) -> None:
    include = [{"system": "http://loinc.org", "concept": [{"code": "8867-4", "display": "Heart rate"}]}]
    expansion = await inline(fhir, include=include)
    assert expansion["contains"] == [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]
