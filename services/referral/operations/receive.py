"""Task/$receive 签收: the fulfiller claims the referral from its worklist (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import act_operation

OPERATION: Final = act_operation("receive")
