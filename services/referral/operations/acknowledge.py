"""Task/$acknowledge 确认结案: the placer closes the loop with a plan of `follow-up` (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "acknowledge",
    Part("follow-up", "input"),
)
