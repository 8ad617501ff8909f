"""What goes wrong when an elder is registered a second time: characters, dates and numbers mistaken, turned, missing, written otherwise."""

from random import Random
from typing import Any, Final

from services.fhir.han import said
from services.kit.identifiers import id_check
from yiyang.population.chance import chance
from yiyang.population.people import Person

Json = dict[str, Any]

ID_CARD: Final = "urn:oid:2.16.156.10011.1.3"
# how many of a hundred records have it
MISSING_ID, WRONG_ID = 35, 5
MISSING_BIRTH, MISSING_PHONE, MISSING_ADDRESS = 3, 40, 30
OTHER_PHONE, MOVED = 15, 10
_ALIKE: Final = {
    "秀": "绣", "英": "瑛", "兰": "蓝", "玉": "育", "珍": "真", "芳": "方", "梅": "枚", "国": "囯", "建": "健", "明": "铭", "文": "闻", "德": "得",
    "志": "治", "福": "富", "生": "声", "华": "桦", "永": "勇", "海": "海", "林": "琳", "春": "椿", "军": "君", "平": "萍", "贵": "桂", "荣": "蓉",
}  # fmt: skip
_TRADITIONAL: Final = str.maketrans(
    "张刘陈杨赵黄吴孙罗韩冯萧许吕苏卢蒋贾叶余钟国华兰凤荣云丽贞宝长树万庆义学军",
    "張劉陳楊趙黃吳孫羅韓馮蕭許呂蘇盧蔣賈葉余鍾國華蘭鳳榮雲麗貞寶長樹萬慶義學軍",
)


def registered(person: Person) -> Json:
    """As the institution wrote it that knew the elder first; one in ten has no number yet."""
    random = chance("registered", person.number)
    return _patient(person, number=None if random.randrange(10) == 0 else person.id_number, phone=person.phone)


def mistaken(person: Person, other: Person) -> Json:
    """The same elder at another institution. `other` lends what is somebody else's: a daughter's telephone, a new address."""
    random = chance("mistaken", person.number)
    return _patient(
        person,
        number=_number(person, random),
        phone=_of_hundred(
            random,
            (MISSING_PHONE, None),
            (OTHER_PHONE, other.phone),
            (2, _digit(person.phone, random)),
            (43, person.phone),
        ),
        name=_name(person, random),
        birth=_birth(person, random),
        address=_address(person, other, random),
        gender=_of_hundred(random, (1, "female" if person.gender == "male" else "male"), (99, person.gender)),
    )


def _patient(person: Person, *, number: str | None, phone: str | None, **changes: Any) -> Json:
    birth, address = changes.get("birth", person.birth.isoformat()), changes.get("address", person.address)
    elements = {
        "resourceType": "Patient",
        "identifier": [{"system": ID_CARD, "value": number}] if number else None,
        "name": [changes.get("name", {"text": person.name, "family": person.surname, "given": [person.given]})],
        "gender": changes.get("gender", person.gender),
        "birthDate": birth,
        "telecom": [{"system": "phone", "value": phone}] if phone else None,
        "address": [{"text": address}] if address else None,
    }
    return {name: value for name, value in elements.items() if value is not None}


def _of_hundred(random: Random, *shares: tuple[int, Any]) -> Any:
    return random.choices([value for _, value in shares], [share for share, _ in shares])[0]


def _number(person: Person, random: Random) -> str | None:
    """A slip is one that the check character does not find: it was typed wrong on another card, and that one's is right."""
    slip = _digit(person.id_number[:17], random)
    return _of_hundred(  # type: ignore[no-any-return]
        random, (MISSING_ID, None), (WRONG_ID, slip + id_check(slip)), (100 - MISSING_ID - WRONG_ID, person.id_number)
    )


def _name(person: Person, random: Random) -> Json:
    make = _of_hundred(
        random,
        (80, lambda: {"text": person.name}),
        (5, lambda: {"text": "".join(_ALIKE.get(c, c) for c in person.name)}),
        (3, lambda: {"text": _lost(person.name, random)}),
        (4, lambda: {"text": person.given + person.surname}),
        (2, lambda: {"family": person.given, "given": [person.surname]}),
        (3, lambda: {"text": person.name.translate(_TRADITIONAL)}),
        (2, lambda: {"text": " ".join("".join(each) for each in (said(person.surname)[0], said(person.given)[0]))}),
        (1, lambda: {"text": "　".join(person.name)}),
    )
    return make()  # type: ignore[no-any-return]


def _lost(name: str, random: Random) -> str:
    """One character of a name of three is forgotten, or another one is heard."""
    if len(name) < 3:  # noqa: PLR2004 - a name of two keeps both
        return name
    return name[:-1] if random.random() < 0.5 else name[:-1] + random.choice("芝芹英珍民平")  # noqa: PLR2004 - one in two


def _birth(person: Person, random: Random) -> str | None:
    text = person.birth.isoformat()
    turned = f"{text[:4]}-{text[8:]}-{text[5:7]}" if int(text[8:]) <= 12 else text  # noqa: PLR2004 - months
    lunar = person.birth.fromordinal(person.birth.toordinal() - random.randrange(20, 50)).isoformat()
    slip = f"{text[:3]}{(int(text[3]) + 1) % 10}{text[4:]}"
    return _of_hundred(random, (MISSING_BIRTH, None), (3, slip), (2, turned), (3, lunar), (89, text))  # type: ignore[no-any-return]


def _address(person: Person, other: Person, random: Random) -> str | None:
    longer = f"内蒙古自治区乌海市{person.address}"
    shares = ((MISSING_ADDRESS, None), (MOVED, other.address), (25, longer), (35, person.address))
    return _of_hundred(random, *shares)  # type: ignore[no-any-return]


def _digit(text: str, random: Random) -> str:
    """One digit wrong, behind the birth date."""
    at = random.randrange(len(text) - 3, len(text))
    return f"{text[:at]}{(int(text[at]) + 1 + random.randrange(8)) % 10}{text[at + 1 :]}"
