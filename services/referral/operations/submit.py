"""Task/$submit 提交: a draft is sent; `package`, `consent` or `waiver` are added to what the draft has (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "submit",
    Part("package", "input"),
    Part("consent", "input"),
    Part("waiver", "input", "emergency-waiver"),
)
