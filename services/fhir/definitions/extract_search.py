"""Search parameters and compartments: http://hl7.org/fhir/R4/searchparameter.html"""

import re
from collections.abc import Iterator
from typing import Any

from services.fhir.definitions.model import SearchParameter
from services.fhir.definitions.package import Package

_HEAD = re.compile(r"\(*([A-Z][A-Za-z]*)\b")


def search_parameters(package: Package) -> tuple[dict[str, SearchParameter], list[str]]:
    """Give the parameters keyed `Type?code`, and the URLs left out: examples and extension packages, not R4's own."""
    parameters: dict[str, SearchParameter] = {}
    excluded: list[str] = []
    for definition in package.all("SearchParameter"):
        if _is_of_r4_itself(definition):
            parameters |= {f"{base}?{definition['code']}": _for_base(definition, base) for base in definition["base"]}
        else:
            excluded.append(str(definition["url"]))
    return dict(sorted(parameters.items())), excluded


def _is_of_r4_itself(definition: dict[str, Any]) -> bool:
    own_id = str(definition["id"])
    return "base" in definition and not re.search(r"^example|-extensions-|-genetic-", own_id)


def _for_base(definition: dict[str, Any], base: str) -> SearchParameter:
    return SearchParameter(
        code=str(definition["code"]),
        type=str(definition["type"]),
        expression=cut(str(definition.get("expression", "")), base),
        targets=tuple(definition.get("target", ())),
        url=str(definition["url"]),
        components=tuple((each["definition"], each["expression"]) for each in definition.get("component", ())),
    )


def cut(expression: str, base: str) -> str:
    """Keep the parts of a union that start at the base; a part that names no type is read from the base."""
    parts = [(part, _HEAD.match(part)) for part in _union(expression)]
    return " | ".join(part for part, head in parts if head is None or head[1] == base)


def _union(expression: str) -> list[str]:
    """Split at each `|` that stands outside parentheses."""
    parts = [""]
    for piece in re.split(r"\s*\|\s*", expression):
        is_open = parts[-1].count("(") > parts[-1].count(")")
        parts[-1:] = [f"{parts[-1]} | {piece}"] if is_open else [parts[-1], piece]
    return parts[1:]


def compartments(package: Package) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the types that can be in a compartment, as `Patient/Observation`, each with the parameters that put it there."""
    for compartment in package.all("CompartmentDefinition"):
        for resource in compartment["resource"]:
            if parameters := tuple(resource.get("param", ())):
                yield f"{compartment['code']}/{resource['code']}", parameters
