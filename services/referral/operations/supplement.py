"""Task/$supplement 补传资料: the rest of the package, of an emergency or after the event, or the full record (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "supplement",
    Part("package", "input"),
    Part("answer", "input"),
)
