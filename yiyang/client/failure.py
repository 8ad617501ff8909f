"""What the server said no to, as it said it: http://hl7.org/fhir/R4/operationoutcome.html"""

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec


class Issue(msgspec.Struct, frozen=True):
    """One issue: `text` in Chinese for people, `diagnostics` in English for engineers, `expression` where an element is at fault."""

    severity: str
    code: str
    text: str = ""
    diagnostics: str = ""
    expression: tuple[str, ...] = ()


class ClientError(Exception):
    """A request that came to nothing: the HTTP status (0 where none came) and the issues of the answer."""

    def __init__(self, status: int, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(f"{status}: " + "; ".join(f"{each.text} · {each.diagnostics}" for each in issues))
        self.status = status
        self.issues = issues


def issues_of(outcome: Mapping[str, Any]) -> tuple[Issue, ...]:
    return tuple(
        Issue(
            severity=each.get("severity", "error"),
            code=each.get("code", "processing"),
            text=each.get("details", {}).get("text", ""),
            diagnostics=each.get("diagnostics", ""),
            expression=tuple(each.get("expression", ())),
        )
        for each in outcome.get("issue", ())
    )


def failure_of(answer: httpx.Response) -> ClientError:
    try:
        document = answer.json()
    except ValueError:
        document = None
    found = issues_of(document) if isinstance(document, dict) else ()
    return ClientError(answer.status_code, found or (Issue("error", "processing", diagnostics=answer.text[:500]),))
