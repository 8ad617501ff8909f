"""Task/$offer-back 发起下转: the `request` of the way back, based on this one, in its chain (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "offer-back",
    Part("request", "output", "down-request"),
)
