"""What can be wrong with an element, as R4 issue types: http://hl7.org/fhir/R4/valueset-issue-type.html"""

import msgspec

from services.fhir.outcomes import Issue

MOST = 100
"""No more findings than these are collected; a body that is wrong everywhere gets a bounded answer."""


class Problem(msgspec.Struct, frozen=True):
    """An issue type, English diagnostics and Chinese text; never a value of the resource."""

    code: str
    diagnostics: str
    text: str


class LocalReference(Problem, frozen=True):
    """A reference to `#id`, which the resource as a whole settles: wrong until a contained resource answers to it."""

    id: str
    targets: frozenset[str]


_LONGEST_NAME = 64

Findings = tuple[tuple[str, Problem], ...]
"""Problems, each with its path from the value that was looked at, such as `.component[0].code`."""


def found(code: str, diagnostics: str, text: str) -> Findings:
    """Make the findings of a check that has nothing but this to say about its value."""
    return (("", Problem(code, diagnostics, text)),)


def instead_of(expected: Findings, value: object) -> Findings:
    """Say what was expected instead of a value of another JSON type; null has its own answer."""
    return NULL if value is None else expected


def is_malformed(findings: Findings) -> bool:
    """Tell whether the structure is wrong, so that rules about values would look at what is not there."""
    return bool(findings) and any(problem.code == "structure" for _, problem in findings)


def segment_of(name: str) -> str:
    """Name an unknown property only where it looks like an element, not like somebody's words."""
    return f".{name}" if len(name) <= _LONGEST_NAME and name.isascii() and name.isidentifier() else ""


def issues(root: str, findings: Findings, severity: str = "error") -> tuple[Issue, ...]:
    """Say the findings as issues, the element in FHIRPath from the root."""
    return tuple(
        Issue(
            severity,
            problem.code,
            f"{root}{path}: {problem.diagnostics}",
            f"{root}{path}：{problem.text}",
            (root + path,),
        )
        for path, problem in findings
    )


NULL = found("structure", "null is not allowed here", "此处不允许 null")
EMPTY = found("structure", "An empty array, object or string is not allowed", "不允许空的数组、对象或字符串")
NOT_A_STRING = found("structure", "Expected a JSON string", "应为字符串")
NOT_AN_ARRAY = found("structure", "Expected a JSON array: the element may repeat", "该元素可重复，应为数组")
NOT_AN_OBJECT = found("structure", "Expected a JSON object", "应为对象")
UNKNOWN = Problem("structure", "R4 does not define this element", "未知的元素")
MISSING = Problem("required", "A required element is missing", "缺少必填元素")
TOO_MANY = Problem("structure", "Only one type of this element may be given", "该元素只能选用一种类型")
UNALIGNED = Problem(
    "structure",
    "The values and their extensions must have the same length and not both be null",
    "值与其扩展须逐项对应且不能同时为 null",
)
ELE_1 = Problem("invariant", "ele-1: an element must have a value or children", "元素须有值或子元素，不能只有 id")
EXT_1 = Problem(
    "invariant", "ext-1: must have either extensions or value[x], not both", "扩展须有值或子扩展之一，且不能兼有"
)
