"""The search parameters that this process knows: R4's, and those that SearchParameter resources on this server define.

http://hl7.org/fhir/R4/searchparameter.html

R4's are facts. The others are learnt from the database (store/custom.py) and replaced as a whole when it changes, with all that was
remembered of them. A parameter is indexed as soon as it is learnt, and searched by when every resource that was there has been indexed.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from services.fhir import definitions
from services.fhir.definitions import SearchParameter

F = TypeVar("F", bound=Callable[..., Any])


class Learnt(msgspec.Struct, frozen=True):
    """By type; `ready` names (type, code) of those that can be searched by."""

    parameters: Mapping[str, tuple[SearchParameter, ...]] = {}
    ready: frozenset[tuple[str, str]] = frozenset()


_known = [Learnt()]
_remembered: list[Callable[[], None]] = []


def remembered(function: F) -> F:
    """`functools.cache`, forgotten when other parameters are learnt."""
    cached = cache(function)
    _remembered.append(cached.cache_clear)
    return cast("F", cached)


def learn(learnt: Learnt) -> None:
    if learnt != _known[0]:
        _known[0] = learnt
        for forget in _remembered:
            forget()


def custom_parameters(resource_type: str) -> tuple[SearchParameter, ...]:
    """Give what is indexed beside R4's parameters: the platform's own, then what was learnt."""
    own = definitions.own_parameters(resource_type)
    codes = {each.code for each in own}
    return (*own, *(each for each in _known[0].parameters.get(resource_type, ()) if each.code not in codes))


def is_being_indexed(resource_type: str, code: str) -> bool:
    """The platform's own are there from the beginning."""
    if any(each.code == code for each in definitions.own_parameters(resource_type)):
        return False
    return (resource_type, code) not in _known[0].ready and any(
        p.code == code for p in custom_parameters(resource_type)
    )


@remembered
def search_parameters(resource_type: str) -> dict[str, SearchParameter]:
    """Give the parameters of a type that can be searched by, by code."""
    ready = {p.code: p for p in custom_parameters(resource_type) if (resource_type, p.code) in _known[0].ready}
    own = {each.code: each for each in definitions.own_parameters(resource_type)}
    return {**definitions.search_parameters(resource_type), **ready, **own}
