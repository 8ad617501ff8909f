"""Which items of a repeating element belong to a slice: http://hl7.org/fhir/R4/profiling.html#slicing"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from services.fhir.validation.profiles.patterns import matches
from services.fhir.validation.profiles.tree import Node

Json = dict[str, Any]
Sort = Callable[[Json], Iterable[str]]
"""Names the slices that an item belongs to."""

_BY_URL: Final = ({"type": "value", "path": "url"},)


def sorting(sliced: Node) -> Sort:
    """Sort by what each discriminator finds; where that is one text for each slice, by looking it up."""
    paths = [_parts(each["path"]) for each in _discriminators(sliced)]
    expected = {name: [_expected(each, parts) for parts in paths] for name, each in sliced.slices.items()}
    if len(paths) == len(paths[0]) == 1 and all(isinstance(text, str) for (text,) in expected.values()):
        (property_,), names = paths[0], {text: (name,) for name, (text,) in expected.items()}
        return lambda item: names.get(item.get(property_), ())
    return lambda item: [name for name, patterns in expected.items() if _is_of(item, paths, patterns)]


def _discriminators(sliced: Node) -> Iterable[Json]:
    found: Iterable[Json] = sliced.definition.get("slicing", {}).get("discriminator", ())
    if not found and sliced.name != "extension":
        raise ValueError(f"slices of {sliced.name} have no discriminator")
    return found or _BY_URL


def _parts(path: str) -> list[str]:
    return [part for part in path.split(".") if part != "$this"]


def _expected(slice_: Node, parts: list[str]) -> Any:
    node: Node | None = slice_
    for part in parts:
        node = node.children.get(part) if node else None
    expected = node.value("fixed", "pattern") if node else _profile_of(slice_) if parts == ["url"] else None
    if expected is None:
        raise ValueError(f"a slice of {slice_.name} says nothing at {'.'.join(parts) or '$this'}")
    return expected


def _profile_of(slice_: Node) -> Any:
    """An extension is told apart by the URL of its definition."""
    profiles = (profile for type_ in slice_.definition.get("type", ()) for profile in type_.get("profile", ()))
    return next(profiles, None)


def _is_of(item: Json, paths: list[list[str]], patterns: list[Any]) -> bool:
    return all(
        any(matches(value, pattern) for value in _at(item, parts))
        for parts, pattern in zip(paths, patterns, strict=True)
    )


def _at(value: Any, parts: list[str]) -> Iterator[Any]:
    if not parts:
        yield value
    elif value.__class__ is dict:
        child = value.get(parts[0])
        for each in child if child.__class__ is list else (child,):
            yield from _at(each, parts[1:])
