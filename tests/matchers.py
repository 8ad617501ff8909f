"""The one matcher of failures: http://hl7.org/fhir/R4/operationoutcome.html"""

from typing import Any, Protocol


class Answer(Protocol):
    """What httpx and the test client have in common."""

    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...
    def json(self) -> Any: ...


def assert_outcome(answer: Answer, status: int, code: str, expression: str | None = None) -> dict[str, Any]:
    """The answer fails with this status and has an issue of this code, at this element where one is named."""
    assert answer.status_code == status, f"{answer.status_code}, not {status}: {answer.text[:2000]}"
    outcome: dict[str, Any] = answer.json()
    assert outcome["resourceType"] == "OperationOutcome", outcome
    for issue in outcome["issue"]:
        assert issue["severity"] in ("fatal", "error", "warning", "information"), issue
        assert issue.get("diagnostics"), f"an issue without diagnostics: {issue}"
    found = [(issue["code"], tuple(issue.get("expression", ()))) for issue in outcome["issue"]]
    assert any(code == c and (expression is None or expression in e) for c, e in found), found
    return outcome
