"""What the names of an object's properties decide of an expression, before any value is looked at.

Validation refuses empty objects and arrays, so an element that is named exists: `start.exists()` is settled by the name alone, and all
objects of one shape share the answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from services.fhir.fhirpath.grammar import At, Binary, Call, Empty, Focus, Literal, Member, Node
from services.fhir.fhirpath.operators import LOGIC

EMPTY: Final = Empty()
_OF_NOTHING: Final[Mapping[str, Node]] = {
    "exists": Literal(False),  # noqa: FBT003
    "empty": Literal(True),  # noqa: FBT003
    "hasValue": Literal(False),  # noqa: FBT003
    "isDistinct": Literal(True),  # noqa: FBT003
    "all": Literal(True),  # noqa: FBT003
    "matches": Literal(False),  # noqa: FBT003
    "contains": Literal(False),  # noqa: FBT003
    "startsWith": Literal(False),  # noqa: FBT003
    "endsWith": Literal(False),  # noqa: FBT003
    "count": Literal(0),
}
_UNDECIDED_OF_NOTHING: Final = frozenset({"iif", "combine", "union"})
_EXISTENCE: Final[Mapping[str, bool]] = {"exists": True, "empty": False}


class Shape(NamedTuple):
    """The elements that an object names; of those that cannot repeat, which have a value and which only an extension."""

    present: frozenset[str]
    valued: frozenset[str]
    bare: frozenset[str]


def simplify(node: Node, shape: Shape) -> Node:
    """Give what is left of the expression for objects of this shape: a Literal or Empty where nothing is."""
    match node:
        case Member(Focus(), name):
            return node if name in shape.present or name[0].isupper() else EMPTY
        case Member(source) | At(source):
            return EMPTY if simplify(source, shape) == EMPTY else node
        case Call(source, "not", ()):
            return _negated(simplify(source, shape))
        case Call(source, function, arguments):
            return _call(Call(simplify(source, shape), function, arguments), shape)
        case Binary():
            return _binary(node, shape)
    return node


def _binary(node: Binary, shape: Shape) -> Node:
    """The right side of `is` and `as` is a type, not an element."""
    left = simplify(node.left, shape)
    if node.operator in ("is", "as"):
        return EMPTY if left == EMPTY else Binary(node.operator, left, node.right)
    right = simplify(node.right, shape)
    if node.operator in LOGIC:
        return _logic(node.operator, left, right)
    return _operation(Binary(node.operator, left, right))


def _call(node: Call, shape: Shape) -> Node:
    match node:
        case Call(Empty(), function) if function not in _UNDECIDED_OF_NOTHING:
            return _OF_NOTHING.get(function, EMPTY)
        case Call(Member(Focus()), function, ()) if function in _EXISTENCE:
            return Literal(_EXISTENCE[function])
        case Call(Member(Focus(), name), "hasValue", ()) if name in shape.valued | shape.bare:
            return Literal(name in shape.valued)
    return node


def _operation(node: Binary) -> Node:
    match node:
        case Binary("|", Empty(), other) | Binary("|", other, Empty()):
            return other
        case Binary("&"):
            return node
        case Binary(_, Empty(), _) | Binary(_, _, Empty()):
            return EMPTY
        case Binary("=", Literal(left), Literal(right)):
            return Literal(left == right)
        case Binary("!=", Literal(left), Literal(right)):
            return Literal(left != right)
    return node


def _negated(node: Node) -> Node:
    known = _known(node)
    if known is not None:
        return _node(None if known[0] is None else not known[0])
    return Call(node, "not", ())


def _logic(operator: str, left: Node, right: Node) -> Node:
    """Combine what is known; where one side leaves the other to decide, only that one stays."""
    combine = LOGIC[operator]
    one, other = _known(left), _known(right)
    if one is not None and other is not None:
        return _node(combine(one[0], other[0]))
    undecided = Binary(operator, left, right)
    if one is not None:
        return _half(lambda value: combine(one[0], value), right, undecided)
    if other is not None:
        return _half(lambda value: combine(value, other[0]), left, undecided)
    return undecided


def _half(combine: Callable[[Any], bool | None], rest: Node, undecided: Node) -> Node:
    answers = {combine(value) for value in (True, False, None)}
    if len(answers) == 1:
        return _node(answers.pop())
    return rest if all(combine(value) is value for value in (True, False, None)) else undecided


def _known(node: Node) -> tuple[bool | None] | None:
    """Give the truth of a node, in a tuple, where it is known."""
    match node:
        case Empty():
            return (None,)
        case Literal(value):
            return (value is not False,)
    return None


def _node(value: bool | None) -> Node:  # noqa: FBT001
    return EMPTY if value is None else Literal(value)
