"""One identifier system under many names: the NamingSystems that come with the platform, read as a table (docs/adr/0024).

http://hl7.org/fhir/R4/namingsystem.html
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jiter

from services.fhir import definitions
from services.kit.identifiers import canonical_id_number, is_id_number

Json = dict[str, Any]

ID_CARD: Final = "urn:oid:2.16.156.10011.1.3"
HEALTH_CARD: Final = "urn:oid:2.16.156.10011.1.19"
HEALTH_RECORD: Final = "urn:oid:2.16.156.10011.1.2"
USCC: Final = "https://yiyang.example/fhir/sid/uscc"
ORGANIZATION_CODE: Final = "https://yiyang.example/fhir/sid/organization-code"
INSTITUTION_CODE: Final = "https://yiyang.example/fhir/sid/ws-218"
INSTITUTION_LICENCE: Final = "https://yiyang.example/fhir/sid/institution-licence"
TEMPORARY: Final = "https://yiyang.example/fhir/sid/temporary"
_OID: Final = "urn:oid:"
_DOCUMENT_TYPE: Final = "https://yiyang.example/fhir/StructureDefinition/identifier-document-type"


@cache
def naming_systems() -> tuple[Json, ...]:
    """The resources, by id."""
    folder = files(definitions).joinpath("naming")
    found = [jiter.from_json(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")]
    return tuple(sorted(found, key=lambda r: str(r["id"])))


def canonical_system(system: str) -> str:
    """The name that the platform prefers for a system; a system that it does not know keeps its own."""
    return _aliases().get(system, system)


def is_known(system: str) -> bool:
    return system in _aliases()


def names_of(systems: Iterable[str]) -> tuple[str, ...]:
    """The systems and all that mean the same."""
    wanted = {canonical_system(each) for each in systems}
    return tuple(dict.fromkeys((*systems, *(name for name, each in _aliases().items() if each in wanted))))


def canonical(identifier: Json) -> tuple[str | None, str | None]:
    """(system, value) of an identifier as one person or institution has it, whatever name and spelling were sent."""
    system, value = identifier.get("system"), identifier.get("value")
    if system is None:
        return system, value
    name = canonical_system(system)
    if name != system and not _is_of_kind(system, identifier):
        return system, value
    return name, canonical_value(name, value)


def canonical_value(system: str | None, value: str | None) -> str | None:
    """`system` is a canonical one."""
    if value is None or system not in (ID_CARD, HEALTH_CARD, USCC):
        return value
    return canonical_id_number(value) if system == ID_CARD else value.strip().upper()


def _is_of_kind(system: str, identifier: Json) -> bool:
    """A system of several documents is an alias for those of one kind; where none is told, the value has to look like one."""
    wanted = _kinds().get(system)
    if wanted is None:
        return True
    codes = [c.get("code") for c in identifier.get("type", {}).get("coding", ())]
    if codes:
        return wanted in codes or "NI" in codes
    return is_id_number(canonical_id_number(identifier.get("value") or ""))


@cache
def _aliases() -> dict[str, str]:
    """Every name of every system → the preferred one; an OID counts with and without its `urn:oid:`."""
    found: dict[str, str] = {}
    for resource in naming_systems():
        preferred = next(_name(each) for each in resource["uniqueId"] if each.get("preferred"))
        for each in resource["uniqueId"]:
            found |= {each["value"]: preferred, _name(each): preferred}
    return found


@cache
def _kinds() -> dict[str, str]:
    return {
        _name(each): extension["valueCode"]
        for resource in naming_systems()
        for each in resource["uniqueId"]
        for extension in each.get("extension", ())
        if extension["url"] == _DOCUMENT_TYPE
    }


def _name(unique: Json) -> str:
    return (_OID if unique["type"] == "oid" else "") + str(unique["value"])
