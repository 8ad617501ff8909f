"""Names as they are written and said: docs/adr/0028"""

import pytest

from services.fhir.han import initials_of, said, simplified
from services.fhir.search.index import index
from services.fhir.search.names import asked, ways_of


def keys(*texts: str, **name: object) -> set[str]:
    return {way for text in (texts or (None,)) for way in ways_of({"text": text, **name} if text else dict(name))}


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("张三", "zhangsan"), ("仇英", "qiuying"), ("单雄信", "shanxiongxin"), ("解缙", "xiejin"), ("曾国", "zengguo"), ("查良", "zhaliang"),
        ("区小明", "ouxiaoming"), ("朴正", "piaozheng"), ("尉迟恭", "yuchigong"), ("万俟卨", "moqixie"), ("长孙皇", "zhangsunhuang"), ("翟天", "zhaitian"),
        ("翟天", "ditian"), ("吕布", "lubu"), ("王乐", "wangyue"), ("王乐", "wangle"), ("欧阳修", "ouyangxiu"), ("单于婉", "chanyuwan"),
    ],
)  # fmt: skip
def test_a_name_is_said_as_a_name(name: str, reading: str) -> None:
    assert reading in {"".join(syllables) for syllables in said(name)}
    assert reading in keys(name)


def test_every_syllable_of_a_compound_surname_has_its_initial() -> None:
    assert initials_of(said("尉迟恭")[0]) == "ycg"
    assert {"zs", "zhangsan"} <= keys("张三")


def test_traditional_characters_width_dots_and_spaces_are_ways_to_write_the_same() -> None:
    assert simplified("張鍾範") == "张钟范"
    assert "张三" in keys("張三")
    assert "买买提吐尔逊" in keys("買買提·吐爾遜") & keys("买买提•吐尔逊") & keys("买买提 吐尔逊")
    assert asked("张 三") == ("张三",)
    assert asked("ｚｈａｎｇ　ｓａｎ") == ("zhangsan",)
    assert asked("Lv Bu") == ("lvbu", "lubu")


def test_a_name_in_two_parts_is_found_as_one_and_by_what_follows_the_surname() -> None:
    assert {"zhangxiuying", "zxy", "xiuying"} <= keys(family="张", given=["秀英"])
    assert {"zhangsan", "sanzhang"} <= keys(family="Zhang", given=["San"])


def test_a_name_without_han_or_of_absurd_length_has_no_sound() -> None:
    assert keys("Smith") == set()
    assert keys("张" * 65) == set()


def test_the_strings_as_sent_stand_apart_for_sorting() -> None:
    row = index("Patient")({"resourceType": "Patient", "name": [{"text": "张三"}]})
    assert [s for s in row.strings if s.startswith("name\x1f")] == ["name\x1f张三"]
    assert {"name:folded\x1fzhangsan", "name:folded\x1fzs"} <= set(row.strings)
    assert "name:exact=张三" in row.tokens
    assert not any("zhangsan" in token for token in row.tokens)
