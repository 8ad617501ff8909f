"""Task/$agree-cancel 同意终止: the fulfiller agrees to the termination that was requested (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import act_operation

OPERATION: Final = act_operation("agree-cancel")
