"""Task/$answer 答复补充: each `answer` is a value or a resource; a `package` replaces nothing, it is added (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "answer",
    Part("answer", "input"),
    Part("package", "input"),
)
