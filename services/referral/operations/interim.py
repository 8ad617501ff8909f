"""Task/$interim 阶段小结: a `composition` while the elder is there (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "interim",
    Part("composition", "output", "interim"),
)
