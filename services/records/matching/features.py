"""What of a Patient is compared: names as written and said, dates, numbers, places, each in one form."""

import re
from typing import Any, Final

import msgspec

from services.fhir.access.identity import identities_of
from services.fhir.han import said
from services.fhir.naming import canonical
from services.fhir.search.names import folded
from services.kit.identifiers import facts_of

Json = dict[str, Any]

_DIGITS: Final = re.compile(r"\D+")
_CHINA: Final = "86"
_MOBILE: Final = 11
_PLACE_WORDS: Final = re.compile(r"[省市区县旗乡镇街道路号栋单元室村社组第\s,，.-]")


class Name(msgspec.Struct, frozen=True):
    """`written` is folded; `said` its readings, the same for a name in pinyin; `turned` what family and given name give the other way round."""

    written: str
    said: frozenset[str]
    surname: str
    turned: str


class Features(msgspec.Struct, frozen=True):
    """`identities` are strong ones, `numbers` those that an institution gave."""

    identities: frozenset[str]
    numbers: frozenset[str]
    names: tuple[Name, ...]
    birth: str | None
    gender: str | None
    phones: frozenset[str]
    addresses: tuple[str, ...]


def features_of(patient: Json) -> Features:
    identities = frozenset(identities_of(patient))
    gender = patient.get("gender")
    return Features(
        identities=identities,
        numbers=frozenset(_numbers(patient)) - identities,
        names=tuple({name.written: name for name in map(_name, patient.get("name", ())) if name.written}.values()),
        birth=patient.get("birthDate") or _birth_of(identities),
        gender=gender if gender in ("male", "female") else None,
        phones=frozenset(p for t in patient.get("telecom", ()) if (p := _phone(t))),
        addresses=tuple(a for each in patient.get("address", ()) if (a := _address(each))),
    )


def _numbers(patient: Json) -> set[str]:
    pairs = (canonical(each) for each in patient.get("identifier", ()) if each.get("use") != "old")
    return {f"{system}|{value}" for system, value in pairs if system and value}


def _birth_of(identities: frozenset[str]) -> str | None:
    facts = (facts_of(each.partition("|")[2]) for each in sorted(identities))
    return next((each.birth.isoformat() for each in facts if each), None)


def _name(name: Json) -> Name:
    family, given = folded(name.get("family", "")), folded("".join(filter(None, name.get("given", ()))))
    whole = folded(name.get("text") or "") or family + given
    readings = said(whole)
    spoken = frozenset("".join(each) for each in readings) or frozenset({whole} if whole.isascii() else ())
    turned = given + family if family and given else whole[1:] + whole[:1]
    return Name(whole, spoken, family or whole[:1], turned)


def _phone(point: Json) -> str | None:
    """Digits, without the country's."""
    if point.get("system") not in ("phone", "sms", None):
        return None
    digits = _DIGITS.sub("", point.get("value", ""))
    return digits.removeprefix("00").removeprefix(_CHINA)[-_MOBILE:] if len(digits) > _MOBILE else digits or None


def _address(address: Json) -> str:
    """What tells one place from another; the words that every address has left out."""
    text = address.get("text") or "".join(
        (*(address.get(part) or "" for part in ("state", "city", "district")), *filter(None, address.get("line", ())))
    )
    return _PLACE_WORDS.sub("", folded(text))
