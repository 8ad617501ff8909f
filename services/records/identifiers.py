"""What is wrong or odd about the identifiers of persons and institutions: GB 11643-1999, GB 32100-2015, GB 11714-1997, WS 218-2002.

A wrong check character is an error; what another element contradicts, or what can be written better, is told and stored (docs/adr/0032).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from services.fhir.naming import (
    HEALTH_RECORD,
    ID_CARD,
    INSTITUTION_CODE,
    INSTITUTION_LICENCE,
    ORGANIZATION_CODE,
    USCC,
    canonical,
    is_known,
)
from services.fhir.outcomes import Issue
from services.fhir.service import Advice
from services.kit.identifiers import (
    Fault,
    canonical_id_number,
    facts_of,
    id_number_fault,
    organization_code_fault,
    uscc_fault,
)

Json = dict[str, Any]

_FORMS: Final[Mapping[str, tuple[re.Pattern[str], Fault]]] = {
    HEALTH_RECORD: (
        re.compile(r"[0-9]{17}", re.ASCII),
        Fault("a health record number has 17 digits", "居民健康档案编号应为 17 位数字"),
    ),
    INSTITUTION_CODE: (
        re.compile(r"[0-9A-Z-]{22,23}", re.ASCII),
        Fault(
            "a WS 218 code has 22 or 23 digits, capital letters or hyphens",
            "卫生机构代码应为 22 或 23 位数字、大写字母或连字符",
        ),
    ),
    INSTITUTION_LICENCE: (
        re.compile(r"[0-9A-Z-]+", re.ASCII),
        Fault(
            "a licence number has digits, capital letters and hyphens alone",
            "执业许可证登记号只含数字、大写字母与连字符",
        ),
    ),
}
_SPEAKS_OF_CHINA: Final = (
    "urn:oid:2.16.156.",
    "2.16.156.",
    "http://NamingSystem.hl7fhir.cn/",
    "urn:oid:2.16.840.1.113883.2.23.",
)


def examine(resource: Json, today: date) -> tuple[Issue, ...]:
    """Errors, warnings and information about a Patient, an Organization or another resource with identifiers."""
    root = resource["resourceType"]
    found: list[Issue] = []
    for n, identifier in enumerate(resource.get("identifier", ())):
        found += about_identifier(identifier, f"{root}.identifier[{n}]", today)
    if root == "Patient":
        found += _against_the_rest(resource, today)
    return tuple(found)


def about_identifier(identifier: Json, place: str, today: date) -> Iterator[Issue]:
    system, value = canonical(identifier)
    sent = identifier.get("value")
    if sent is None or value is None or system is None:
        return
    if (fault := _fault(system, str(sent), identifier, today)) is not None:
        severity = "warning" if identifier.get("use") == "old" else "error"
        yield issue(severity, "value", f"{place}.value", fault)
    elif system == ID_CARD and canonical_id_number(sent) != sent:
        better = Fault(
            "this spelling of a national ID is found by its 18 characters with a capital X too",
            "建议采用 18 位、大写 X 的身份证号；检索时两种写法等同",
        )
        yield issue("information", "informational", f"{place}.value", better)
    if not is_known(system) and system.startswith(_SPEAKS_OF_CHINA):
        unknown = Fault(
            "this identifier system is not known here and is kept as it is; the NamingSystems list those that are",
            "未知的标识体系，按原样保存；已知体系见 NamingSystem",
        )
        yield issue("information", "not-found", f"{place}.system", unknown)


def _fault(system: str, value: str, identifier: Json, today: date) -> Fault | None:
    if system == ID_CARD:
        return id_number_fault(value.strip(), today)
    if system in _FORMS:
        form, wrong = _FORMS[system]
        return None if form.fullmatch(value) else wrong
    check = _CHECKS.get(system)
    fault = check(value.strip().upper()) if check else None
    if (
        fault and system == USCC and identifier.get("system") != USCC
    ):  # the OID of 医疗机构组织机构代码 is used for both
        return fault if organization_code_fault(value.strip()) else None
    return fault


_CHECKS: Final[Mapping[str, Callable[[str], Fault | None]]] = {
    USCC: uscc_fault,
    ORGANIZATION_CODE: organization_code_fault,
}


def _against_the_rest(patient: Json, today: date) -> Iterator[Issue]:
    """What the number of the person says, against what the record says."""
    stated = patient.get("birthDate")
    if isinstance(stated, str) and stated > today.isoformat():
        future = Fault("the birth date is in the future", "出生日期晚于今天")
        yield issue("error", "business-rule", "Patient.birthDate", future)
    for identifier in patient.get("identifier", ()):
        system, value = canonical(identifier)
        facts = facts_of(value) if system == ID_CARD and value and identifier.get("use") != "old" else None
        if facts is None:
            continue
        if isinstance(stated, str) and not facts.birth.isoformat().startswith(stated[:10]):
            other = Fault("another birth date than in the national ID", "出生日期与身份证号不一致")
            yield issue("warning", "business-rule", "Patient.birthDate", other)
        if patient.get("gender") in ("male", "female") and patient["gender"] != facts.gender:
            sex = Fault("another sex than in the national ID", "性别与身份证号不一致")
            yield issue("warning", "business-rule", "Patient.gender", sex)


def issue(severity: str, code: str, place: str, fault: Fault) -> Issue:
    return Issue(severity, code, f"{place}: {fault.diagnostics}", f"{place}：{fault.text}", (place,))


def _advice(resource: Json, now: datetime) -> tuple[Issue, ...]:
    return examine(resource, now.date())


ADVICE: Final[Mapping[str, Advice]] = {"Patient": _advice, "Organization": _advice}
