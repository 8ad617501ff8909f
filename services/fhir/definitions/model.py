"""What R4 says of a type and of a search parameter: http://hl7.org/fhir/R4/structuredefinition.html"""

import msgspec


class Element(msgspec.Struct, frozen=True, array_like=True):
    """One element of a type; `max` None is `*`, `codes` is the key of an expanded required value set."""

    name: str
    min: int
    max: int | None
    types: tuple[str, ...]
    choice: bool = False
    targets: tuple[str, ...] = ()
    codes: str | None = None


class TypeDefinition(msgspec.Struct, frozen=True):
    """A resource, complex type, backbone (named by its path) or primitive; elements in R4 order, inherited ones too."""

    name: str
    kind: str
    elements: dict[str, Element]


class Invariant(msgspec.Struct, frozen=True, array_like=True):
    """A rule of a type or an element; `reason` says where the expression is not R4's own, or what it cannot decide."""

    key: str
    severity: str
    human: str
    expression: str
    reason: str = ""


class SearchParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A search parameter of one resource type; the expression holds only the parts for that type."""

    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    url: str
    components: tuple[tuple[str, str], ...] = ()


class ValueSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """The expansion of a required binding; where R4 alone cannot expand it, `systems` is empty and `reason` says why."""

    url: str
    systems: dict[str, tuple[str, ...]] = {}
    reason: str = ""
