"""Task/$withdraw 撤回: the placer takes it back; slot and bed are free again, the request is revoked (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "withdraw",
    Part("reason", "reason"),
)
