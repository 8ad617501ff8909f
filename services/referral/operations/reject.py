"""Task/$reject 拒绝: `reason` is a code of referral-reject-reason, in words for `other`; `alternative` for an emergency (docs/referral-workflow.md)."""

from typing import Final

from services.referral.codes import REJECT_REASON
from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "reject",
    Part("reason", "reason", system=REJECT_REASON),
    Part("alternative", "output"),
)
