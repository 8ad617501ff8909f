"""References and the types they may lead to: http://hl7.org/fhir/R4/references.html"""

import re
from typing import Any

from services.fhir.definitions import resource_types
from services.fhir.validation.primitives import Check
from services.fhir.validation.problems import Findings, LocalReference, Problem

_ID = r"[A-Za-z0-9.-]{1,64}"
_LITERAL = re.compile(
    rf"([A-Z][A-Za-z]+)(?:/{_ID}(?:/_history/{_ID})?|\?\S+)"
    rf"|https?://\S+/([A-Z][A-Za-z]+)/{_ID}(?:/_history/{_ID})?"
    r"|[A-Za-z][A-Za-z0-9+.-]*:\S+|#(\S*)"
)
_NOT_LITERAL = Problem(
    "value", "Not a reference as Type/id, an absolute URL or #id", "引用须为 类型/id、绝对地址或 #id"
)
WRONG_TYPE = Problem("value", "The reference leads to a type that is not allowed here", "此处不允许引用该类型的资源")
_REF_1 = (
    "invariant",
    "ref-1: no contained resource has this id",
    "所引用的被包含资源不存在",
)
_CONTRADICTION = Problem(
    "value", "Reference.type is not the type that Reference.reference names", "引用的 type 与 reference 不一致"
)


def reference_to(targets: tuple[str, ...], check_reference: Check) -> Check:
    """Check a Reference whose targets, if any, are the only types allowed."""
    known = frozenset(resource_types())
    allowed = frozenset(targets) or known

    def check_literal(literal: str, named: str | None) -> Findings:
        match = _LITERAL.fullmatch(literal)
        if match is None:
            return ((".reference", _NOT_LITERAL),)
        relative, elsewhere, local = match.groups()
        if local:
            return ((".reference", LocalReference(*_REF_1, local, allowed)),)
        type_ = relative or elsewhere
        if type_ not in allowed and (relative or elsewhere in known):
            return ((".reference", WRONG_TYPE),)
        contradicts = named in known and type_ in known and named != type_
        return ((".type", _CONTRADICTION),) if contradicts else ()

    def check(value: Any) -> Findings:
        if findings := check_reference(value):
            return findings
        named = value.get("type")
        if named is not None and named in known - allowed:
            return ((".type", WRONG_TYPE),)
        return check_literal(value["reference"], named) if "reference" in value else ()

    return check
