"""Task/$treat 开始诊疗: from arrival to treatment or care (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import act_operation

OPERATION: Final = act_operation("treat")
