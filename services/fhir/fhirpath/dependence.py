"""What the answer of an expression depends on: the resource, the focus, or neither."""

from typing import Final

from services.fhir.fhirpath.grammar import At, Binary, Call, Focus, Member, Node, Variable

RESOURCE: Final = frozenset({"resource", "rootResource", "context"})
CRITERIA: Final = frozenset({"where", "all", "select", "exists", "iif"})
TYPE_TESTS: Final = frozenset({"is", "as", "ofType"})


def names_the_root(node: Node, names: frozenset[str] = RESOURCE) -> bool:
    """Tell whether the resource, or another variable, is part of the expression."""
    match node:
        case Variable(name):
            return name in names
        case Member(source) | At(source):
            return names_the_root(source, names)
        case Call(source, _, arguments):
            return any(names_the_root(each, names) for each in (source, *arguments))
        case Binary(_, left, right):
            return names_the_root(left, names) or names_the_root(right, names)
    return False


def needs_focus(node: Node) -> bool:
    """Tell whether the answer may be another one for another focus; criteria have a focus of their own."""
    match node:
        case Focus():
            return True
        case Member(source) | At(source) | Binary("is" | "as", source):
            return needs_focus(source)
        case Call(source, function, arguments):
            return any(map(needs_focus, (source, *(() if function in CRITERIA | TYPE_TESTS else arguments))))
        case Binary(_, left, right):
            return needs_focus(left) or needs_focus(right)
    return False
