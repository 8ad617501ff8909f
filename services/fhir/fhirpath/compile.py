"""Expressions as closures over parsed JSON, resolved against R4's types beforehand: http://hl7.org/fhir/R4/fhirpath.html"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from services.fhir.fhirpath.branches import (
    UNTYPED,
    Branch,
    Branches,
    Values,
    at_focus,
    boolean,
    constant,
    every,
    joined,
    member,
    narrowed,
    select,
    type_of,
    where,
)
from services.fhir.fhirpath.dependence import CRITERIA, RESOURCE, TYPE_TESTS, names_the_root, needs_focus
from services.fhir.fhirpath.functions import FUNCTIONS
from services.fhir.fhirpath.grammar import At, Binary, Call, Empty, Focus, Literal, Member, Node, Variable
from services.fhir.fhirpath.operators import OPERATORS, SETTLED_BY
from services.fhir.fhirpath.values import Collection, truth

_CONSTANTS: Final = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}
_SAME_TYPE: Final = frozenset({"first", "last", "tail", "trace", "distinct"})


class _Root:
    """The resource of one evaluation, and what was found for expressions that start there."""

    __slots__ = ("found", "resource")

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.found: dict[tuple[Node, str], Collection] = {}


@cache
def compile_node(node: Node, type_: str) -> Callable[[Any], Collection]:
    """Give a function of a value of the type; that value is what %resource and %context stand for."""
    values = joined(_Compiler(type_).branches(node, type_))
    if not names_the_root(node):
        return lambda value: values(value, None)
    return lambda value: values(value, _Root(value))


class _Compiler:
    def __init__(self, root: str) -> None:
        self.root = root

    def branches(self, node: Node, focus: str) -> Branches:
        found = self._applied(node, focus) if isinstance(node, Call | Binary) else self._path(node, focus)
        is_fixed = not isinstance(node, Variable) and names_the_root(node) and not needs_focus(node)
        return tuple(Branch(each.type, _once(node, each)) for each in found) if is_fixed else found

    def values(self, node: Node, focus: str) -> Values:
        return joined(self.branches(node, focus))

    def _path(self, node: Node, focus: str) -> Branches:
        match node:
            case Member(Focus(), name) if name == focus or (name[0].isupper() and focus in UNTYPED):
                return narrowed((Branch(focus, at_focus),), name)
            case Member(source, name):
                return tuple(found for each in self.branches(source, focus) for found in member(each, name))
            case At(source, position):
                found = self.branches(source, focus)
                values = joined(found)
                return (Branch(type_of(found), lambda this, root: values(this, root)[position : position + 1]),)
        return self._start(node, focus)

    def _start(self, node: Node, focus: str) -> Branches:
        match node:
            case Focus():
                return (Branch(focus, at_focus),)
            case Literal(value):
                return (constant(value),)
            case Variable(name) if name in RESOURCE:
                return (Branch(self.root, lambda _, root: [root.resource]),)
            case Variable(name) if name in _CONSTANTS:
                return (constant(_CONSTANTS[name]),)
            case Variable(name):
                raise ValueError(f"not a variable that R4 uses: %{name}")
        return ()

    def _applied(self, node: Node, focus: str) -> Branches:
        match node:
            case Call(source, function, (Member(Focus(), name),)) if function in TYPE_TESTS:
                return _typed(function, self.branches(source, focus), name)
            case Binary("is" | "as" as function, source, Member(Focus(), name)):
                return _typed(function, self.branches(source, focus), name)
            case Call(source, "iif", arguments):
                return (Branch("", self._iif(self.branches(source, focus), arguments)),)
            case Call(source, function, (criteria,)) if function in CRITERIA:
                return self._with_criteria(function, self.branches(source, focus), criteria)
            case Call(source, function, arguments):
                return (self._call(function, self.branches(source, focus), [self.values(a, focus) for a in arguments]),)
            case Binary(operator, left, right):
                return boolean(_operation(operator, self.values(left, focus), self.values(right, focus)))
        raise ValueError(f"not understood: {node}")

    def _with_criteria(self, function: str, found: Branches, criteria: Node) -> Branches:
        if function == "select":
            return tuple(
                Branch(selected.type, select(each.values, selected.values))
                for each in found
                for selected in self.branches(criteria, each.type)
            )
        tested = [(each.type, each.values, self.values(criteria, each.type)) for each in found]
        if function == "all":
            tests = [every(values, test) for _, values, test in tested]
            return boolean(lambda this, root: [all(test(this, root) for test in tests)])
        kept = tuple(Branch(type_, where(values, test)) for type_, values, test in tested)
        if function == "where":
            return kept
        values = joined(kept)
        return boolean(lambda this, root: [bool(values(this, root))])

    def _iif(self, found: Branches, arguments: tuple[Node, ...]) -> Values:
        """Give one of two values; the criterion is about the collection as a whole."""
        source, type_ = joined(found), type_of(found)
        criterion, then, otherwise = (self.values(each, type_) for each in (*arguments, Empty())[:3])

        def values(this: Any, root: Any) -> Collection:
            focus = source(this, root)
            return then(focus, root) if truth(criterion(focus, root)) else otherwise(focus, root)

        return values

    @staticmethod
    def _call(name: str, found: Branches, arguments: list[Values]) -> Branch:
        function, source = FUNCTIONS.get(name), joined(found)
        if function is None:
            raise ValueError(f"not a function that R4 uses: {name}")
        type_ = type_of(found) if name in _SAME_TYPE else ""
        if not arguments:
            return Branch(type_, lambda this, root: function(source(this, root)))
        return Branch(type_, lambda this, root: function(source(this, root), *(each(this, root) for each in arguments)))


def _typed(function: str, found: Branches, name: str) -> Branches:
    those = narrowed(found, name)
    if function != "is":
        return those
    values, all_values = joined(those), joined(found)
    return boolean(lambda this, root: [bool(values(this, root))] if all_values(this, root) else [])


def _operation(name: str, left: Values, right: Values) -> Values:
    """A left side that settles the matter spares the right one."""
    operator, settled = OPERATORS[name], SETTLED_BY.get(name)
    if settled is None:
        return lambda this, root: operator(left(this, root), right(this, root))

    def values(this: Any, root: Any) -> Collection:
        first = left(this, root)
        return [name != "and"] if truth(first) is settled else operator(first, right(this, root))

    return values


def _once(node: Node, branch: Branch) -> Values:
    """Look once, however many values ask."""
    values, key = branch.values, (node, branch.type)

    def once(this: Any, root: Any) -> Collection:
        found: Collection | None = root.found.get(key)
        if found is None:
            found = root.found[key] = values(this, root)
        return found

    return once
