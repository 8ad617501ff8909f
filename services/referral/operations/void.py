"""Task/$void 作废: an `administrator` of the placer, another person, confirms, with the `reason`; nothing is erased (docs/referral-workflow.md)."""

from typing import Final

from services.referral.operations.acting import Part, act_operation

OPERATION: Final = act_operation(
    "void",
    Part("administrator", "output"),
    Part("reason", "reason"),
)
