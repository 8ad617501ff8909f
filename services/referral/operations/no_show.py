"""Task/$no-show 未到诊: after the window, with the `contact` that was attempted (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "no-show",
    Part("contact", "output", "contact-attempt"),
)
