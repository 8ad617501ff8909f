"""Task/$feedback 回执: up: the `composition` of the slip; down: `care-plan`, `medication` (a List), `reassessment` (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "feedback",
    Part("composition", "output", "feedback"),
    Part("care-plan", "output"),
    Part("medication", "output", "medication-reconciliation"),
    Part("reassessment", "output"),
)
