"""A SearchParameter resource as a parameter of this server: http://hl7.org/fhir/R4/searchparameter.html"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.fhir.definitions import SearchParameter, resource_types, search_parameters
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.search.composites import components_of
from services.fhir.search.index import can_index
from services.fhir.search.paths import branches

Json = dict[str, Any]

_TYPES: Final = frozenset({"string", "token", "reference", "uri", "date", "number", "quantity", "composite"})
_EVERY: Final = frozenset({"Resource", "DomainResource"})
_VALUE: Final = ".value"
_WITHOUT_AN_ENDPOINT: Final = "Parameters"


def served(resource: Json) -> list[tuple[str, SearchParameter]]:
    """Give what this server makes of it: nothing of one that is not active, or R4's own; FhirError 422 where it cannot."""
    if resource.get("status") != "active" or is_of_r4(resource):
        return []
    return [*parameters_of(resource)]


def is_of_r4(resource: Json) -> bool:
    """R4's own definitions may be stored too: they change nothing."""
    return str(resource["url"]).startswith("http://hl7.org/fhir/SearchParameter/")


def parameters_of(resource: Json) -> Iterator[tuple[str, SearchParameter]]:
    """Give the parameter for each type that it is for; FhirError 422 where it cannot be served."""
    if resource["type"] not in _TYPES:
        raise _refused("type", f"{resource['type']} parameters cannot be indexed", "该类型的检索参数无法建立索引")
    if resource["code"].startswith("_"):
        raise _refused("code", "codes that begin with _ are FHIR's own", "以 _ 开头的名称为标准保留")
    for base in _bases(resource):
        known = search_parameters(base)
        if resource["code"] in known:
            raise _refused("code", f"{base} has a parameter of this code already", f"{base} 已有同名检索参数")
        yield base, _parameter(resource, base, known)


def _bases(resource: Json) -> list[str]:
    stated = resource.get("base", ())
    every = [t for t in resource_types() if t != _WITHOUT_AN_ENDPOINT]
    return every if _EVERY.intersection(stated) else [t for t in every if t in stated]


def _parameter(resource: Json, base: str, known: Mapping[str, SearchParameter]) -> SearchParameter:
    components = tuple(
        (each["definition"].partition("|")[0], each["expression"]) for each in resource.get("component", ())
    )
    parameter = SearchParameter(
        code=resource["code"],
        type=resource["type"],
        expression=resource.get("expression", ""),
        targets=tuple(resource.get("target", ())),
        url=resource["url"],
        components=components,
    )
    try:
        found = branches(parameter.expression, base)
        parts = components_of(parameter, {p.url: p for p in known.values()}) if parameter.type == "composite" else ()
        for focus in found if parts else ():
            for part in parts:
                branches(part.expression, focus.type)
    except (KeyError, ValueError, RecursionError) as error:
        raise _refused("expression", f"not understood for {base}", f"表达式对 {base} 无法解析") from error
    if parameter.type != "token" and _reads_identifiers(parameter.expression, base):
        raise _refused(
            "type",
            "the value of an identifier is found as a token, for it may be encrypted",
            "标识符的值可能加密存储，只能以 token 类型检索",
        )
    if parameter.type == "composite":
        if not parts:
            raise _refused("component", f"not parameters of {base}", f"组成部分不是 {base} 的检索参数")
    elif not any(can_index(parameter.type, branch.type) for branch in found):
        raise _refused(
            "expression", f"leads to nothing in {base} that can be indexed", f"表达式在 {base} 中没有可索引的元素"
        )
    return parameter


def _reads_identifiers(expression: str, base: str) -> bool:
    """Whether a path ends at the value of an Identifier: at rest it is a keyed hash, of which no text is a part (docs/adr/0021)."""
    owners = (part.strip().removesuffix(_VALUE) for part in expression.split("|") if part.strip().endswith(_VALUE))
    return any(branch.type == "Identifier" for owner in owners for branch in branches(owner, base))


def _refused(element: str, why: str, text: str) -> FhirError:
    return unprocessable(
        f"SearchParameter.{element}: {why}", code="not-supported", text=text, expression=(f"SearchParameter.{element}",)
    )
