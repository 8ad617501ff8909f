"""What each modifier makes of a parameter: http://hl7.org/fhir/R4/search.html#modifiers"""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.builders import LOINC, UCUM, coded, known_patient, observation, patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.minimal import json_of
from tests.shelf import Shelf

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"


@pytest.fixture
def shelf(fhir: Fhir) -> Shelf:
    return Shelf(fhir)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("code:text=心", {"text", "display"}),
        ("code:text=HEART", {"english"}),
        ("code:text=rate", set()),
        ("code:text=心率", {"text", "display"}),
        ("code:text:missing=true", None),
        ("combo-code:text=心率", {"text", "display", "component"}),
        ("category:text=生命", {"category"}),
    ],
)
async def test_text_searches_the_words_beside_a_code(shelf: Shelf, query: str, found: Any) -> None:
    await shelf.put(
        text=observation(code={"text": "心率"}),
        display=observation(code={"coding": [{"system": LOINC, "code": "8867-4", "display": "心率（次/分）"}]}),
        english=observation(code={"text": "Heart rate"}),
        category=observation(category=[{"text": "生命体征"}]),
        component=observation(component=[{"code": {"text": "心率"}, "valueString": "x"}]),
    )
    if found is None:
        assert_outcome(await shelf.fhir.get(shelf.path("Observation", query)), 400, "not-supported")
    else:
        assert await shelf.found("Observation", query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("identifier:of-type=http://t|MR|1", {"record"}),
        ("identifier:of-type=http://t|SS|1", {"social"}),
        ("identifier:of-type=http://t|MR|1,http://t|SS|1", {"record", "social"}),
        ("identifier:of-type=http://t|MR|2", set()),
        ("identifier:text=病案", {"record"}),
        ("identifier:not=1", {"none"}),
    ],
)
async def test_of_type_asks_what_kind_of_identifier_it_is(shelf: Shelf, query: str, found: set[str]) -> None:
    def of(code: str, text: str) -> Any:
        return patient(
            identifier=[{"type": {"text": text, "coding": [{"system": "http://t", "code": code}]}, "value": "1"}]
        )

    await shelf.put(
        record=of("MR", "病案号"), social=of("SS", "社保号"), plain=patient(identifier=[{"value": "1"}]), none=patient()
    )
    assert await shelf.found("Patient", query) == found


@pytest.mark.parametrize("value", ["MR|1", "http://t|MR", "||1", "http://t||1"])
async def test_of_type_needs_all_three_parts(fhir: Fhir, value: str) -> None:
    assert_outcome(await fhir.get(f"/Patient?identifier:of-type={value}"), 400, "value")


async def test_identifier_asks_the_identifier_beside_a_reference(shelf: Shelf) -> None:
    await shelf.put(wang=known_patient())
    await shelf.put(
        logical=observation() | {"subject": {"identifier": {"system": "s", "value": "7"}}},
        literal=observation(shelf.reference("wang")),
    )
    assert await shelf.found("Observation", "subject:identifier=s|7") == {"logical"}
    assert await shelf.found("Observation", "subject:identifier=7") == {"logical"}
    assert await shelf.found("Observation", "subject:identifier=s|") == {"logical"}
    assert await shelf.found("Observation", "subject:identifier=s|8") == set()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("url:below=http://acme.test/fhir", {"one", "two"}),
        ("url:below=http://acme.test/fhir/", {"one", "two"}),
        ("url:below=http://acme.test/fhir/ValueSet", {"one", "two"}),
        ("url:below=http://acme.test/fhir/ValueSet/1", {"one"}),
        ("url:below=http://acme.test/fh", set()),
        ("url:below=urn:oid:1.2", set()),
        ("url:below=urn:oid:1.2.3", {"urn"}),
        ("url:above=http://acme.test/fhir/ValueSet/1/_history/5", {"one"}),
        ("url:above=http://acme.test/fhir/ValueSet/1", {"one"}),
        ("url:above=http://acme.test/fhir/ValueSet/", set()),
        ("url:above=http://acme.test/fhir/ValueSet/2,urn:oid:1.2.3", {"two", "urn"}),
        ("url:missing=true", {"none"}),
    ],
)
async def test_a_uri_lies_below_and_above_by_its_path(shelf: Shelf, query: str, found: set[str]) -> None:
    value_set = {"resourceType": "ValueSet", "status": "active"}
    urls = {
        "one": "http://acme.test/fhir/ValueSet/1",
        "two": "http://acme.test/fhir/ValueSet/2",
        "urn": "urn:oid:1.2.3",
    }
    await shelf.put(none=value_set, **{name: value_set | {"url": url} for name, url in urls.items()})
    assert await shelf.found("ValueSet", query) == found


async def test_a_shipped_value_set(shelf: Shelf) -> None:
    await shelf.put(she=patient(gender="female"), he=patient(gender="male"), nobody=patient())
    assert await shelf.found("Patient", f"gender:in={GENDER}") == {"she", "he"}
    assert await shelf.found("Patient", f"gender:not-in={GENDER}") == {"nobody"}


async def test_a_stored_value_set_and_a_stored_hierarchy(shelf: Shelf) -> None:
    system, value_set = f"http://example.org/cs/{uuid4()}", f"http://example.org/vs/{uuid4()}"
    concepts = [
        {"code": "heart", "concept": [{"code": "rate", "concept": [{"code": "resting-rate"}]}, {"code": "rhythm"}]},
        {"code": "lung"},
    ]
    await shelf.put(
        system={
            "resourceType": "CodeSystem",
            "url": system,
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "concept": concepts,
        },
        set={
            "resourceType": "ValueSet",
            "url": value_set,
            "status": "active",
            "compose": {
                "include": [{"system": system, "filter": [{"property": "concept", "op": "is-a", "value": "rate"}]}]
            },
        },
        heart=observation(code=coded(system, "heart")),
        rate=observation(code=coded(system, "rate")),
        resting=observation(code=coded(system, "resting-rate")),
        lung=observation(code=coded(system, "lung")),
        other=observation(code=coded("http://other.test", "rate")),
    )
    assert await shelf.found("Observation", f"code:in={value_set}") == {"rate", "resting"}
    assert await shelf.found("Observation", f"code:in={shelf.reference('set')}") == {"rate", "resting"}
    assert await shelf.found("Observation", f"code:not-in={value_set}") == {"heart", "lung", "other"}
    assert await shelf.found("Observation", f"code:below={system}|rate") == {"rate", "resting"}
    assert await shelf.found("Observation", f"code:below={system}|heart") == {"heart", "rate", "resting"}
    assert await shelf.found("Observation", f"code:above={system}|resting-rate") == {"heart", "rate", "resting"}
    assert_outcome(await shelf.fhir.get(f"/Observation?code:below={system}|nonsense"), 400, "not-found")
    assert_outcome(await shelf.fhir.get("/Observation?code:in=http://nowhere.test/vs"), 400, "not-found")
    assert_outcome(await shelf.fhir.get("/Observation?code:below=rate"), 400, "value")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"code-value-quantity={LOINC}|8867-4$gt70", {"fast"}),
        ("code-value-quantity=8867-4$72", {"fast"}),
        (f"code-value-quantity=8867-4$72|{UCUM}|/min", {"fast"}),
        (f"code-value-quantity=8867-4$lt60|{UCUM}|/min", {"slow"}),
        ("code-value-quantity=8867-4$lt60,8867-4$gt70", {"fast", "slow"}),
        ("code-value-quantity=9-9$72", set()),
        ("component-code-value-quantity=8480-6$gt130", {"pressure"}),
        ("component-code-value-quantity=8462-4$gt130", set()),
        ("component-code-value-quantity=8462-4$lt90&component-code-value-quantity=8480-6$gt130", {"pressure"}),
        ("combo-code-value-quantity=8480-6$gt130,8867-4$gt70", {"pressure", "fast"}),
        ("code-value-string=8867-4$FA", {"words"}),
        ("code-value-string=8867-4$ast", set()),
        ("code-value-date=8867-4$ge2024-01", {"day"}),
        ("code-value-date=8867-4$lt2024-01", set()),
        ("code-value-concept=8867-4$http://c|high", {"concept"}),
        ("code-value-concept=8867-4$low", set()),
    ],
)
async def test_the_parts_of_a_composite_stand_in_the_same_element(shelf: Shelf, query: str, found: set[str]) -> None:
    """http://hl7.org/fhir/R4/search.html#composite"""
    pressure = [(coded(LOINC, "8480-6"), Decimal(150)), (coded(LOINC, "8462-4"), Decimal(80))]
    await shelf.put(
        fast=observation(),
        slow=observation(valueQuantity={"value": Decimal(50), "system": UCUM, "code": "/min"}),
        pressure=observation(
            valueQuantity=None, component=[{"code": c, "valueQuantity": {"value": v}} for c, v in pressure]
        ),
        words=observation(valueQuantity=None, valueString="Fast"),
        day=observation(valueQuantity=None, valueDateTime="2024-05-01"),
        concept=observation(valueQuantity=None, valueCodeableConcept=coded("http://c", "high")),
    )
    assert await shelf.found("Observation", query) == found


@pytest.mark.parametrize("value", ["8867-4", "8867-4$", "$72", "8867-4$72$1", "8867-4$abc"])
async def test_a_composite_needs_all_of_its_parts(fhir: Fhir, value: str) -> None:
    assert_outcome(await fhir.get(f"/Observation?code-value-quantity={value}"), 400, "value")


async def test_an_escaped_dollar_divides_nothing(shelf: Shelf) -> None:
    await shelf.put(paid=observation(code=coded("http://c", "a$b")))
    assert await shelf.found("Observation", r"code-value-quantity=a\$b$72") == {"paid"}


async def test_a_reference_and_its_role_stand_together(shelf: Shelf) -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"title": "转诊单"}}],
    }
    await shelf.put(first=document, second=document)
    related = [
        {"code": "replaces", "target": {"reference": shelf.reference("first")}},
        {"code": "appends", "target": {"reference": shelf.reference("second")}},
    ]
    await shelf.put(third=document | {"relatesTo": related})
    assert await shelf.found("DocumentReference", f"relationship=replaces${shelf.reference('first')}") == {"third"}
    assert await shelf.found("DocumentReference", f"relationship=appends${shelf.reference('first')}") == set()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("near=39.67|106.82|1|km", {"wuhai"}),
        ("near=39.67|106.82|1000|m", {"wuhai"}),
        ("near=39.67|106.82", {"wuhai"}),
        ("near=39.67|106.82|120", {"wuhai", "yinchuan"}),
        ("near=39.67|106.82|75|[mi_i]", {"wuhai", "yinchuan"}),
        ("near=39.67|106.82|20000", {"wuhai", "yinchuan", "suva"}),
        ("near=-18.14|-179.9|250|km", {"suva"}),
        ("near=39.67|106.82|1,-18.14|178.44|1", {"wuhai", "suva"}),
        ("near:missing=true", {"nowhere"}),
    ],
)
async def test_near_is_a_distance_on_the_earth(shelf: Shelf, query: str, found: set[str]) -> None:
    """http://hl7.org/fhir/R4/location.html#search"""
    places = {"wuhai": ("39.67", "106.82"), "yinchuan": ("38.77", "106.23"), "suva": ("-18.14", "178.44")}
    located = {
        n: {"resourceType": "Location", "position": {"latitude": Decimal(a), "longitude": Decimal(o)}}
        for n, (a, o) in places.items()
    }
    await shelf.put(nowhere={"resourceType": "Location"}, **located)
    assert json_of(located)
    assert await shelf.found("Location", query) == found


@pytest.mark.parametrize("value", ["39", "39|x", "91|0", "0|181", "0|0|-1", "0|0|1|parsec", "0|0|30000", "a|b|c|km|x"])
async def test_near_needs_a_point_on_the_earth(fhir: Fhir, value: str) -> None:
    assert_outcome(await fhir.get(f"/Location?near={value}"), 400, "value")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("_text=高血压", {"narrative"}),
        ("_text=血压", {"narrative"}),
        ("_text=压", {"narrative"}),
        ("_text=血糖", set()),
        ("_content=高血压", {"narrative", "note"}),
        ("_content=metast", {"english"}),
        ("_content=(bone OR liver) AND metastases", {"english"}),
        ("_content=(bone OR liver) AND NOT metastases", set()),
        ("_content=高血压 NOT 血压计", {"narrative"}),
        ("_content=“高血压”", {"narrative", "note"}),
        ('_content="bone metastases"', {"english"}),
        ("_content=bone,高血压", {"english", "narrative", "note"}),
        ("_content=div", set()),
        ("_content=BONE", {"english"}),
    ],
)
async def test_words_are_found_in_the_narrative_and_everywhere(shelf: Shelf, query: str, found: set[str]) -> None:
    """http://hl7.org/fhir/R4/search.html#text"""
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>患者有<b>高血压</b>三年 &lt;稳定&gt;</p></div>'
    await shelf.put(
        narrative=observation(text={"status": "generated", "div": div}),
        note=observation(note=[{"text": "高血压，已备血压计"}]),
        english=observation(note=[{"text": "Bone metastases of the liver"}]),
    )
    assert await shelf.found("Observation", query) == found


@pytest.mark.parametrize("value", ["(a", "a)", "AND", "a OR", "NOT", "()", "!!", "(" * 30 + "a" + ")" * 30])
async def test_a_text_must_be_balanced(fhir: Fhir, value: str) -> None:
    assert_outcome(await fhir.get(f"/Observation?_content={value}"), 400, "value")


async def test_a_list_names_resources(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#list"""
    await shelf.put(one=patient(), two=patient())
    entry = {"item": {"reference": shelf.reference("one")}}
    await shelf.put(list={"resourceType": "List", "status": "current", "mode": "working", "entry": [entry]})
    assert await shelf.found("Patient", f"_list={shelf.id('list')}") == {"one"}
    assert await shelf.found("Patient", "_list=nothing") == set()
    assert_outcome(await shelf.fhir.get("/AllergyIntolerance?_list=$current-allergies"), 400, "not-supported")
