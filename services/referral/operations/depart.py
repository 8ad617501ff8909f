"""Task/$depart 出发转运: `vitals` at departure, and an `escort` for an emergency (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "depart",
    Part("vitals", "input", "departure-vitals"),
    Part("escort", "input"),
)
