"""A name is found however it is written or said; `:exact` stays literal: http://hl7.org/fhir/R4/search.html#string"""

from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.builders import patient, practitioner
from tests.house import Fhir


async def found(fhir: Fhir, criteria: str, kind: str = "Patient") -> list[str]:
    answer = await fhir.get(f"/{kind}?{criteria}")
    assert answer.status_code == 200, answer.text
    return [each["resource"]["id"] for each in answer.json().get("entry", ())]


@pytest.mark.parametrize(
    "name", [{"text": "张三"}, {"family": "张", "given": ["三"]}, {"text": "張三"}, {"text": "张　三"}]
)
@pytest.mark.parametrize("asked", ["张", "张三", "zhangsan", "zhang san", "Zhāng Sān", "zs", "張三", "zhangs", "ｚｓ"])
async def test_a_chinese_name_is_found_by_characters_pinyin_and_initials(
    fhir: Fhir, name: dict[str, object], asked: str
) -> None:
    tag = uuid4().hex
    stored = await fhir.created(patient(name=[name], meta={"tag": [{"code": tag}]}))
    assert await found(fhir, f"_tag={tag}&name={quote(asked)}") == [stored["id"]]
    assert await found(fhir, f"_tag={tag}&phonetic={quote(asked)}") == [stored["id"]]
    assert await found(fhir, f"_tag={tag}&name={quote('李' + asked)}") == []


async def test_exact_is_literal(fhir: Fhir) -> None:
    tag = uuid4().hex
    stored = await fhir.created(patient(name=[{"text": "张三"}], meta={"tag": [{"code": tag}]}))
    assert await found(fhir, f"_tag={tag}&name:exact={quote('张三')}") == [stored["id"]]
    for other in ("張三", "zhangsan", "zs", "张", "张 三"):
        assert await found(fhir, f"_tag={tag}&name:exact={quote(other)}") == []


async def test_contains_knows_the_other_ways_too_and_missing_does_not(fhir: Fhir) -> None:
    tag = uuid4().hex
    stored = await fhir.created(patient(name=[{"text": "買買提·吐爾遜"}], meta={"tag": [{"code": tag}]}))
    for part in ("吐尔", "tuer", "爾遜"):
        assert await found(fhir, f"_tag={tag}&name:contains={quote(part)}") == [stored["id"]]
    assert await found(fhir, f"_tag={tag}&name:missing=true") == []


async def test_staff_are_found_the_same_way_and_through_a_chain(fhir: Fhir) -> None:
    tag = uuid4().hex
    doctor = await fhir.created(practitioner(name=[{"text": "曾国安"}], meta={"tag": [{"code": tag}]}))
    assert await found(fhir, f"_tag={tag}&name=zengguoan", "Practitioner") == [doctor["id"]]
    role = {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": f"Practitioner/{doctor['id']}"},
        "meta": {"tag": [{"code": tag}]},
    }
    stored = await fhir.created(role)
    assert await found(fhir, f"_tag={tag}&practitioner.name=zga", "PractitionerRole") == [stored["id"]]


async def test_names_are_sorted_as_they_were_written(fhir: Fhir) -> None:
    tag = uuid4().hex
    stored = [
        await fhir.created(patient(name=[{"text": text}], meta={"tag": [{"code": tag}]})) for text in ("b", "张三", "a")
    ]
    assert await found(fhir, f"_tag={tag}&_sort=name") == [stored[2]["id"], stored[0]["id"], stored[1]["id"]]
