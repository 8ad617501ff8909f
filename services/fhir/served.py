"""ServedType: what a deployable says of one resource type; routes, CapabilityStatement, scopes and tests are made from it."""

from typing import Final, Literal

import msgspec

Interaction = Literal[
    "read", "vread", "create", "update", "patch", "delete", "history-instance", "history-type", "search-type"
]

EVERY: Final[tuple[Interaction, ...]] = (
    "create",
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "search-type",
)
# http://hl7.org/fhir/R4/auditevent.html#5.1.4: "servers … SHOULD NOT allow … update and delete"
# What never changes has no history.
APPEND_ONLY: Final[tuple[Interaction, ...]] = ("create", "read", "vread", "search-type")


class Named(msgspec.Struct, frozen=True):
    """An operation as its deployable tells the others of it."""

    name: str
    definition: str


class ServedType(msgspec.Struct, frozen=True):
    """One resource type and the interactions (http://hl7.org/fhir/R4/valueset-type-restful-interaction.html) that its owner allows.

    What is `governed` is written only as its owner's business decides (business.py).
    """

    type: str
    interactions: tuple[Interaction, ...] = EVERY
    governed: bool = False
    operations: tuple[Named, ...] = ()
    """Its owner's own, beside those of FHIR: filled in where the type is announced."""
