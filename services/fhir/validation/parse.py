"""JSON to a resource, or one exact issue: https://datatracker.ietf.org/doc/html/rfc8259 and http://hl7.org/fhir/R4/json.html"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any

import jiter

from services.fhir.definitions import resource_types
from services.fhir.outcomes import FhirError, bad_request
from services.fhir.validation.faults import locate

DEEPEST = 64

_FAULTS = (
    # what jiter says                 code         English                                         Chinese
    ("Detected duplicate key", "structure", "A property is given twice", "同一属性出现两次"),
    ("invalid unicode", "structure", "The body is not UTF-8", "请求内容不是 UTF-8 编码"),
    ("lone leading surrogate", "structure", "A string has a lone surrogate", "字符串含有孤立的代理字符"),
    (
        "unexpected end of hex escape",
        "structure",
        "A string has a broken \\u escape or lone surrogate",
        "字符串含有无效的转义或孤立的代理字符",
    ),
    ("control character", "structure", "A string has a bare control character", "字符串含有未转义的控制字符"),
    ("number out of range", "value", "A number has too many digits", "数字位数过多"),
    ("Internal error", "value", "A number has too large an exponent", "数字的指数过大"),
    ("recursion limit", "too-costly", f"The body is nested deeper than {DEEPEST}", "嵌套层次过深"),
)
_NOT_JSON = ["structure", "The body is not JSON", "请求内容不是有效的 JSON"]
_PLACE = re.compile(r"at line \d+ column \d+$")


def parse(body: bytes, expected_type: str | None) -> dict[str, Any]:
    """Read a resource; numbers become int or Decimal, so that no digit is lost. Raise FhirError 400."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise bad_request("The body starts with a byte order mark", text="请求内容不能以 BOM 开头", code="structure")
    try:
        value = jiter.from_json(body, catch_duplicate_keys=True, float_mode="decimal", allow_inf_nan=False)
    except ValueError as error:
        raise _malformed(body, str(error)) from None
    if _is_too_deep(body, value):
        raise _malformed(body, "recursion limit")
    if b"\\u0000" in body and _has_nul(value):
        raise bad_request("A string has U+0000", text="字符串含有空字符", code="value", expression=locate(body))
    return _typed(value, expected_type)


def _malformed(body: bytes, message: str) -> FhirError:
    """Tell what jiter found, in words that hold nothing of the body."""
    place = match[0] if (match := _PLACE.search(message)) else ""
    code, diagnostics, text = next((fault for prefix, *fault in _FAULTS if message.startswith(prefix)), _NOT_JSON)
    return bad_request(f"{diagnostics} {place}".rstrip(), text=text, code=code, expression=locate(body))


def _is_too_deep(body: bytes, value: Any) -> bool:
    """Count levels only where there are brackets enough; jiter itself stops at 200."""
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return False
    level = _containers([value])
    for _ in range(DEEPEST):
        level = _containers(chain.from_iterable(map(_children, level)))
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [each for each in values if each.__class__ is dict or each.__class__ is list]


def _children(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, chain(value, value.values())))
    return any(map(_has_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value


def _typed(value: Any, expected_type: str | None) -> dict[str, Any]:
    if value.__class__ is not dict:
        raise bad_request("The body must be a JSON object", text="请求内容应为 JSON 对象", code="structure")
    type_ = value.get("resourceType")
    if type_ is None:
        raise _wrong_type("required", "The resourceType is missing", "缺少 resourceType")
    if type_.__class__ is not str or type_ not in _known():
        raise _wrong_type("structure", "The resourceType is not a type of R4", "resourceType 不是 R4 的资源类型")
    if expected_type is not None and type_ != expected_type:
        raise _wrong_type(
            "invalid", f"Expected a resource of type {expected_type}, not {type_}", f"资源类型应为 {expected_type}"
        )
    result: dict[str, Any] = value
    return result


def _wrong_type(code: str, diagnostics: str, text: str) -> FhirError:
    return bad_request(diagnostics, text=text, code=code, expression=("resourceType",))


@cache
def _known() -> frozenset[str]:
    return frozenset(resource_types())
