"""What came of a line, as a line: an OperationOutcome that names it: http://hl7.org/fhir/R4/operationoutcome.html"""

from typing import Final, Literal

import msgspec

from services.fhir.outcomes import FhirError, Issue, operation_outcome
from services.fhir.store.rows import Stored

Verb = Literal["created", "updated", "unchanged", "duplicate"]
_TEXTS: Final[dict[Verb, str]] = {
    "created": "已创建",
    "updated": "已更新",
    "unchanged": "内容未变",
    "duplicate": "重复读数",
}


def done_line(number: int, verb: Verb, stored: Stored) -> str:
    place = f"{stored.type}/{stored.id}/_history/{stored.version}"
    issue = Issue("information", "informational", f"line {number}: {verb} {place}", f"第 {number} 行：{_TEXTS[verb]}")
    return operation_outcome([issue]).decode()


def refused_line(number: int, error: FhirError, resource_type: str = "") -> str:
    """The issues of the refusal, each led by the line; a place in a bundle is one in the resource here."""
    return operation_outcome([named(number, issue, resource_type) for issue in error.issues]).decode()


def named(number: int, issue: Issue, resource_type: str, words: tuple[str, str] = ("line", "行")) -> Issue:
    english, chinese = words
    return msgspec.structs.replace(
        issue,
        diagnostics=f"{english} {number}: {issue.diagnostics}",
        text=f"第 {number} {chinese}：{issue.text}",
        expression=tuple(_in_resource(place, resource_type) for place in issue.expression if "." in place),
    )


def _in_resource(place: str, resource_type: str) -> str:
    """`Bundle.entry[3].resource.birthDate` is `Patient.birthDate`."""
    _, mark, inner = place.partition(".resource")
    return f"{resource_type}{inner}" if mark and place.startswith("Bundle.entry[") else place
