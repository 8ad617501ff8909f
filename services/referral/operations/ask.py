"""Task/$ask 要求补充: what is missing, in `reason`; the clock stands still (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "ask",
    Part("reason", "reason"),
)
