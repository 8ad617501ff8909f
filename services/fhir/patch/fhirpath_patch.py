"""FHIRPath Patch, a Parameters resource of operations: http://hl7.org/fhir/R4/fhirpatch.html"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from services.fhir.fhirpath.grammar import Member
from services.fhir.patch import lists
from services.fhir.patch.exact import integer
from services.fhir.patch.given import Given, given, misfit, put
from services.fhir.patch.places import Place, parse_path, places, property_for, refused, root_of

MAX_OPERATIONS: Final = 1000

Json = dict[str, Any]
Parts = Mapping[str, Json]


def fhirpath_patch(resource: Json, parameters: Sequence[Json]) -> Json:
    """Apply the operations in order; raise FhirError 400 for what is no patch, 422 where it does not fit the resource."""
    if not 0 < len(parameters) <= MAX_OPERATIONS or any(p.get("name") != "operation" for p in parameters):
        raise refused(f"each parameter is an operation, and there are 1 to {MAX_OPERATIONS}")
    for operation in parameters:
        parts = {str(part.get("name")): part for part in operation.get("part", ())}
        apply = _OPERATIONS.get(_text(parts, "type"))
        if apply is None:
            raise refused(f"type is one of {', '.join(_OPERATIONS)}")
        apply(root_of(resource), parts)
    return resource


def _add(root: Place, parts: Parts) -> None:
    put(_one(root, parts), _text(parts, "name"), _value(parts))


def _insert(root: Place, parts: Parts) -> None:
    holder, name, type_ = _list(root, parts)
    index, value = _index(parts, "index"), _value(parts).of(type_)
    if index > lists.length(holder, name):
        raise misfit("index is beyond the end of the list")
    lists.insert(holder, name, index, value.json, value.beside)


def _delete(root: Place, parts: Parts) -> None:
    """What is not there is deleted already."""
    found = places(parse_path(_text(parts, "path")), root)
    if len(found) > 1:
        raise misfit("the path leads to several elements")
    if found:
        _remove(found[0])


def _replace(root: Place, parts: Parts) -> None:
    place, value = _one(root, parts), _value(parts)
    if place.parent is None:
        raise refused("the whole resource cannot be replaced")
    if place.index is not None:
        new = value.of(place.type)
        lists.replace(place.holder, place.name, place.index, new.json, new.beside)
        return
    _remove(place)
    put(place.parent, place.element, value)


def _move(root: Place, parts: Parts) -> None:
    holder, name, _ = _list(root, parts)
    source, destination = _index(parts, "source"), _index(parts, "destination")
    if max(source, destination) >= lists.length(holder, name):
        raise misfit("source and destination are indexes of the list")
    lists.move(holder, name, source, destination)


_OPERATIONS: Final[Mapping[str, Callable[[Place, Parts], None]]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _one(root: Place, parts: Parts) -> Place:
    found = places(parse_path(_text(parts, "path")), root)
    if len(found) != 1:
        raise misfit("the path leads to several elements" if found else "the path leads to no element")
    return found[0]


def _list(root: Place, parts: Parts) -> tuple[Json, str, str]:
    """Where the list of `path` is or will be: the object that holds it, its JSON name, the type of its elements."""
    node = parse_path(_text(parts, "path"))
    if not isinstance(node, Member):
        raise refused("the path is one of a list")
    owners = places(node.source, root)
    if len(owners) != 1:
        raise misfit("the path leads to several lists" if owners else "the path leads to no list")
    name, element, type_ = property_for(owners[0], node.name, None)
    if element.max == 1:
        raise misfit(f"{node.name} does not repeat")
    return owners[0].parts, name, type_


def _remove(place: Place) -> None:
    if place.parent is None:
        raise refused("the whole resource cannot be deleted")
    if place.index is not None:
        lists.remove(place.holder, place.name, place.index)
        return
    place.holder.pop(place.name, None)
    place.holder.pop(f"_{place.name}", None)


def _text(parts: Parts, name: str) -> str:
    part = parts.get(name, {})
    text = next((part[key] for key in ("valueString", "valueCode") if key in part), None)
    if not isinstance(text, str):
        raise refused(f"{name} is missing")
    return text


def _index(parts: Parts, name: str) -> int:
    number = integer(parts.get(name, {}).get("valueInteger"))
    if number is None or number < 0:
        raise refused(f"{name} is an index from 0 on")
    return number


def _value(parts: Parts) -> Given:
    if "value" not in parts:
        raise refused("value is missing")
    return given(parts["value"])
