"""Search expressions as functions over parsed JSON: http://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression"""

from collections.abc import Callable
from functools import cache
from typing import Any

from services.fhir.search.paths import branches
from services.fhir.search.walk import Sink, bind

Found = list[tuple[Any, str]]


@cache
def compile_expression(expression: str, base: str) -> Callable[..., Found]:
    """Give a function `(focus, resource=focus)` → [(value, FHIR type)]; `resource` is what %resource stands for.

    `base` is the type of the focus: a resource type, or the backbone on which a composite's component is evaluated.
    """
    walks = [(bind(branch.steps, _emit(branch.type)), branch.rooted) for branch in branches(expression, base)]

    def evaluate(focus: dict[str, Any], resource: dict[str, Any] | None = None) -> Found:
        found: Found = []
        for walk, rooted in walks:
            walk(resource if rooted and resource is not None else focus, found)
        return found

    return evaluate


def _emit(fhir_type: str) -> Sink[Found]:
    return lambda value, found: found.append((value, fhir_type))
