"""Task/$request-void 申请作废: `who` asks, and the `reason`: the first of four eyes (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "request-void",
    Part("who", "input", "void-request"),
    Part("reason", "reason"),
)
