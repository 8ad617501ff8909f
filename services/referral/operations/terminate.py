"""Task/$terminate 终止: `reason` is a code of referral-close-reason (docs/referral-workflow.md)."""

from typing import Final

from services.referral.codes import CLOSE_REASON
from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "terminate",
    Part("reason", "reason", system=CLOSE_REASON),
)
