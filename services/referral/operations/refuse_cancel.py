"""Task/$refuse-cancel 不同意终止: back to the state before, with its `reason` (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "refuse-cancel",
    Part("reason", "reason"),
)
