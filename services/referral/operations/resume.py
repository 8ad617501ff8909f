"""Task/$resume 恢复: with its `reason` (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "resume",
    Part("reason", "reason"),
)
