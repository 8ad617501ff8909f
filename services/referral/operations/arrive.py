"""Task/$arrive 到诊: the `encounter` that has begun, and that the identity was verified (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "arrive",
    Part("encounter", "output"),
    Part("identity-verified", "output"),
)
