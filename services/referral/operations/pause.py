"""Task/$pause 暂停: with its `reason` (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "pause",
    Part("reason", "reason"),
)
