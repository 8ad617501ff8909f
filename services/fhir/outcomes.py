"""Every failure as one OperationOutcome: http://hl7.org/fhir/R4/operationoutcome.html"""

from collections.abc import Iterable, Mapping

import msgspec

__all__ = [
    "ALL_OK",
    "FhirError",
    "Issue",
    "bad_request",
    "conflict",
    "forbidden",
    "gone",
    "internal_error",
    "method_not_allowed",
    "not_acceptable",
    "not_found",
    "operation_outcome",
    "precondition_failed",
    "precondition_required",
    "too_large",
    "unauthorized",
    "unavailable",
    "unprocessable",
    "unsupported_media",
]


class Issue(msgspec.Struct, frozen=True):
    """One issue: `diagnostics` in English for engineers, `text` in Chinese for people, neither with personal data."""

    severity: str
    code: str
    diagnostics: str
    text: str
    expression: tuple[str, ...] = ()


ALL_OK = Issue("information", "informational", "No issues found", "未发现问题")


class FhirError(Exception):
    """The answer to a request that fails: HTTP status, issues and headers."""

    def __init__(self, status: int, issues: tuple[Issue, ...], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: " + "; ".join(issue.diagnostics for issue in issues))
        self.status = status
        self.issues = issues
        self.headers = dict(headers or {})


class _Failure(msgspec.Struct, frozen=True):
    """Makes the errors of one status; a call may name a more exact issue code, text or element."""

    status: int
    code: str
    text: str
    headers: Mapping[str, str] = {}

    def __call__(
        self,
        diagnostics: str,
        *,
        text: str = "",
        code: str = "",
        expression: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> FhirError:
        issue = Issue("error", code or self.code, diagnostics, text or self.text, expression)
        return FhirError(self.status, (issue,), {**self.headers, **(headers or {})})


bad_request = _Failure(400, "invalid", "请求格式有误")
unauthorized = _Failure(401, "login", "未登录或登录已失效", {"WWW-Authenticate": "Bearer"})
forbidden = _Failure(403, "forbidden", "没有权限执行此操作")
not_found = _Failure(404, "not-found", "未找到所请求的内容")
method_not_allowed = _Failure(405, "not-supported", "不支持此操作")
not_acceptable = _Failure(406, "not-supported", "无法按所要求的格式返回")
conflict = _Failure(409, "conflict", "与现有数据冲突，请刷新后重试")
gone = _Failure(410, "deleted", "该资源已被删除")
precondition_failed = _Failure(412, "conflict", "前提条件不满足，数据可能已被他人修改")
too_large = _Failure(413, "too-long", "请求内容过大")
unsupported_media = _Failure(415, "not-supported", "不支持此内容类型，请使用 application/fhir+json")
unprocessable = _Failure(422, "processing", "内容不符合规则")
precondition_required = _Failure(428, "required", "须注明所依据的版本（If-Match）")
internal_error = _Failure(500, "exception", "服务器内部错误，请稍后重试")
unavailable = _Failure(503, "transient", "服务暂时不可用，请稍后重试")


def operation_outcome(issues: Iterable[Issue]) -> bytes:
    """Encode the issues as an OperationOutcome in FHIR JSON; none at all is told as success."""
    return msgspec.json.encode(
        {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in (*issues,) or (ALL_OK,)]}
    )


def _issue(issue: Issue) -> dict[str, object]:
    details: object = {"text": issue.text}
    element: dict[str, object] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": details,
        "diagnostics": issue.diagnostics,
    }
    return element | ({"expression": issue.expression} if issue.expression else {})
