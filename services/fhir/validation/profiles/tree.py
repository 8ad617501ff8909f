"""A differential as a tree of elements and slices: http://hl7.org/fhir/R4/elementdefinition.html#id"""

from typing import Any, Final

import msgspec

Json = dict[str, Any]

_UNDERSTOOD: Final = frozenset(
    {"id", "path", "sliceName", "short", "slicing", "min", "max", "type", "binding", "constraint"}
)


class Node(msgspec.Struct):
    """What a profile says of one element, or of one slice of it; nothing where it only leads to others."""

    name: str
    definition: Json = {}
    children: dict[str, "Node"] = {}
    slices: dict[str, "Node"] = {}

    def value(self, *starts: str) -> Any:
        """Give what stands in fixed[x], pattern[x] and the like, whatever its type."""
        return next((value for name, value in self.definition.items() if name.startswith(starts)), None)


def tree(definition: Json) -> Node:
    """Give the root; elements are placed by their ids, which name the slices that they are in.

    Raise ValueError for what is not understood here: a profile is applied whole or not at all.
    """
    root = Node(str(definition["type"]))
    for element in definition["differential"]["element"]:
        node = root
        for part in str(element["id"]).split(".")[1:]:
            name, _, slice_ = part.partition(":")
            node = node.children.setdefault(name.removesuffix("[x]"), Node(name.removesuffix("[x]")))
            if slice_:
                node = node.slices.setdefault(slice_, Node(node.name))
        node.definition = _understood(element)
    return root


def _understood(element: Json) -> Json:
    others = [name for name in element.keys() - _UNDERSTOOD if not name.startswith(("fixed", "pattern"))]
    if others or element.get("slicing", {}).get("rules", "open") != "open":
        raise ValueError(f"{element['id']}: not understood: {', '.join(others) or 'slicing.rules'}")
    return element
