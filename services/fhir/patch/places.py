"""Where the elements that a FHIRPath names stand in a resource's JSON: http://hl7.org/fhir/R4/fhirpatch.html

The path is walked here, as a patch needs the place and not the value; conditions inside `where()` are evaluated like any FHIRPath.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, cast

import jiter
import msgspec

from services.fhir.definitions import Element, property_of, type_definition
from services.fhir.fhirpath.compile import compile_node
from services.fhir.fhirpath.grammar import At, Binary, Call, Focus, Literal, Member, Node, parse_expression
from services.fhir.fhirpath.values import truth
from services.fhir.outcomes import FhirError, bad_request
from services.fhir.patch import exact, lists

MAX_LENGTH: Final = 1000
_UNBOUNDED: Final = frozenset({"matches", "replaceMatches", "resolve"})  # a pattern of the client's; another resource
_ROOTS: Final = frozenset({"Resource", "DomainResource"})
_COUNTED: Final = frozenset({"skip", "take"})
# What a primitive has beside its value: http://hl7.org/fhir/R4/element.html
_PRIMITIVE: Final = "Element"
_BESIDE: Final = {
    "id": Element("id", 0, 1, ("string",)),
    "extension": Element("extension", 0, None, ("Extension",)),
}


class Place(msgspec.Struct, frozen=True):
    """One element: `holder[name]`, or `holder[name][index]` in a list; its `_name` beside it holds a primitive's extensions.

    `parent` is the element that it is a part of, `element` its name there, which for a choice is not its JSON name.
    """

    holder: dict[str, Any]
    name: str
    index: int | None
    type: str
    parent: "Place | None" = None
    element: str = ""

    @property
    def value(self) -> Any:
        return _at(self.holder.get(self.name), self.index)

    @property
    def beside(self) -> Any:
        return _at(self.holder.get(f"_{self.name}"), self.index)

    @property
    def own_type(self) -> str:
        """The type of its parts: a contained resource says its own."""
        value = self.value
        if self.type == "Resource" and isinstance(value, dict):
            return str(value.get("resourceType"))
        return self.type if isinstance(value, dict) else _PRIMITIVE

    @property
    def parts(self) -> dict[str, Any]:
        """The object that holds its parts: made beside a primitive that had none."""
        if isinstance(self.value, dict):
            return cast("dict[str, Any]", self.value)
        if self.beside is None:
            if self.index is None:
                self.holder[f"_{self.name}"] = {}
            else:
                lists.replace(self.holder, self.name, self.index, self.value, {})
        return cast("dict[str, Any]", self.beside)


def root_of(resource: dict[str, Any]) -> Place:
    return Place({"": resource}, "", None, str(resource["resourceType"]))


def places(node: Node, root: Place) -> list[Place]:  # noqa: PLR0911 - one line a kind of node
    """Raise FhirError 400 for a path that does not lead to elements of the resource."""
    match node:
        case Focus():
            return [root]
        case Member(Focus(), name) if name == root.own_type or name in _ROOTS:
            return [root]
        case Member(source, name):
            return [part for place in places(source, root) for part in _parts(place, name)]
        case At(source, position):
            return places(source, root)[position : position + 1]
        case Call(source, "where", (condition,)):
            return [place for place in places(source, root) if _holds(condition, place)]
        case Call(source, "extension", (Literal(url),)):
            found = [part for place in places(source, root) for part in _parts(place, "extension")]
            return [part for part in found if part.value.get("url") == url]
        case Call(source, "ofType" | "as", (Member(Focus(), name),)) | Binary("as", source, Member(Focus(), name)):
            return [place for place in places(source, root) if name in (place.type, place.own_type)]
        case Call(source, function, (Literal(int() as count),)) if function in _COUNTED:
            found = places(source, root)
            return found[count:] if function == "skip" else found[:count]
        case Call(source, function, ()) if function in _PICKED:
            return _PICKED[function](places(source, root))
    raise refused("the path uses what a patch does not understand")


def property_for(place: Place, name: str, value_type: str | None) -> tuple[str, Element, str]:
    """The JSON name, the element and the type of a part of `place`; of a choice the value's type decides."""
    element = _definition(place).get(name)
    if element is None:
        known = property_of(place.own_type, name) if place.own_type != _PRIMITIVE else None
        if known is None:
            raise refused(f"{place.own_type} has no element {name}")
        return name, *known
    if not element.choice:
        return name, element, element.types[0]
    if value_type not in element.types:
        raise refused(f"{name} cannot be a {value_type or 'value made of parts'}")
    return f"{name}{value_type[0].upper()}{value_type[1:]}", element, value_type


def json_names(place: Place, name: str) -> list[tuple[str, str]]:
    """The JSON names that an element may have here, with their types: several for a choice."""
    element = _definition(place).get(name)
    if element is None:
        json_name, _, type_ = property_for(place, name, None)
        return [(json_name, type_)]
    if not element.choice:
        return [(name, element.types[0])]
    return [(f"{name}{t[0].upper()}{t[1:]}", t) for t in element.types]


@lru_cache(maxsize=256)
def parse_path(path: str) -> Node:
    if len(path) > MAX_LENGTH:
        raise refused("the path is too long")
    try:
        node = parse_expression(path)
    except ValueError:
        raise refused("the path is not a FHIRPath that a patch understands") from None
    if any(isinstance(each, Call) and each.function in _UNBOUNDED for each in _nodes(node)):
        raise refused("the path uses a function that a patch may not use")
    return node


def refused(diagnostics: str) -> FhirError:
    return bad_request(diagnostics, code="invalid", text="补丁格式有误")


def _definition(place: Place) -> dict[str, Element]:
    try:
        return _BESIDE if place.own_type == _PRIMITIVE else type_definition(place.own_type).elements
    except KeyError:
        raise refused("a contained resource is not of a type of R4") from None


def _parts(place: Place, name: str) -> Iterable[Place]:
    value = place.value if isinstance(place.value, dict) else place.beside
    names = json_names(place, name)
    if not isinstance(value, dict):
        return
    for json_name, type_ in names:
        found, beside = value.get(json_name), value.get(f"_{json_name}")
        if isinstance(found, list) or isinstance(beside, list):
            count = max(len(found or ()), len(beside or ()))
            yield from (Place(value, json_name, n, type_, place, name) for n in range(count))
        elif found is not None or beside is not None:
            yield Place(value, json_name, None, type_, place, name)


def _holds(condition: Node, place: Place) -> bool:
    """The compiled condition is not kept: it is the client's."""
    try:
        test = compile_node.__wrapped__(condition, place.own_type if isinstance(place.value, dict) else place.type)
        return truth(test(jiter.from_json(exact.write(place.value), float_mode="decimal"))) is True
    except (ValueError, KeyError, TypeError):
        raise refused("a condition in the path is not one that a patch understands") from None


def _single(found: list[Place]) -> list[Place]:
    if len(found) > 1:
        raise refused("single() of several elements")
    return found


_PICKED: Final[dict[str, Callable[[list[Place]], list[Place]]]] = {
    "first": lambda found: found[:1],
    "last": lambda found: found[-1:],
    "tail": lambda found: found[1:],
    "single": _single,
}


def _nodes(node: Any) -> Iterable[Any]:
    yield node
    for field in getattr(node, "__struct_fields__", ()):
        value = getattr(node, field)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, msgspec.Struct):
                yield from _nodes(each)


def _at(value: Any, index: int | None) -> Any:
    if index is None:
        return value
    return value[index] if isinstance(value, list) and index < len(value) else None
