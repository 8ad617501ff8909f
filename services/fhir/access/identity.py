"""Identifiers that one person alone has, under one name whatever system a sender calls them by: docs/glossary.md"""

from typing import Any, Final

ID_CARD: Final = "urn:oid:2.16.156.10011.1.3"
HEALTH_CARD: Final = "urn:oid:2.16.156.10011.1.19"
_CANONICAL: Final = {
    ID_CARD: ID_CARD,  # 公民身份号码, GB 11643-1999
    "urn:oid:2.16.840.1.113883.2.23.1.19.1": ID_CARD,
    "http://NamingSystem.hl7fhir.cn/identityDocument": ID_CARD,
    HEALTH_CARD: HEALTH_CARD,  # 居民健康卡
}


def identity(system: str | None, value: str | None) -> str | None:
    """The key of a strong identifier, None for any other."""
    canonical = _CANONICAL.get(system or "")
    return f"{canonical}|{value.strip().upper()}" if canonical and value and value.strip() else None


def identities_of(patient: dict[str, Any]) -> tuple[str, ...]:
    """The keys of a patient's strong identifiers that are in use, sorted."""
    given = (i for i in patient.get("identifier", ()) if i.get("use") not in ("old", "temp"))
    return tuple(sorted({key for i in given if (key := identity(i.get("system"), i.get("value")))}))
