"""Searches over several types: of the whole system, and within a compartment.

http://hl7.org/fhir/R4/http.html#search and http://hl7.org/fhir/R4/compartmentdefinition.html
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from services.fhir.definitions import compartments
from services.fhir.headers import is_strict
from services.fhir.interactions.sealed import asked
from services.fhir.interactions.search import check_form
from services.fhir.interactions.searchset import answer
from services.fhir.outcomes import not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import ANY
from services.fhir.search.parse import parse_search, parse_system_search
from services.fhir.search.query import AnyOf, Condition, Match, ReferenceValue
from services.fhir.search.refusals import invalid
from services.fhir.search.registry import search_parameters
from services.fhir.service import Service
from services.fhir.store.tables import stored_types

_ONLY_BY_NAME: Final = frozenset({"AuditEvent"})  # the audit has no index of what all types have in common


async def search_system(request: FhirRequest, service: Service) -> Answer:
    """`_type` names the types; without it every type but the audit is searched, by the parameters that all have."""
    return await _over(dict.fromkeys(_types(request, service)), request, service, "")


async def search_system_by_post(request: FhirRequest, service: Service) -> Answer:
    check_form(request)
    return await search_system(request, service)


async def search_compartment(request: FhirRequest, service: Service) -> Answer:
    """`Patient/1/Observation`, and `Patient/1/*` for all types of the compartment."""
    members = compartments().get(request.type)
    inner = request.inner or ANY  # POST Patient/1/_search
    if members is None or inner not in (ANY, *members):
        raise not_found("No such compartment, or no type of it", text="没有该分区或该分区不含此类型")
    path = f"{request.type}/{request.id}/{inner}"
    if inner == ANY:
        wanted = [each for each in _types(request, service) if each in members]
        return await _over({each: _inside(request, members, each) for each in wanted}, request, service, path)
    service.check(inner, "search-type")
    query = parse_search(
        inner,
        asked(request, service),
        strict=is_strict(request.prefer),
        base=service.base,
        zone=service.zone,
        now=request.at,
        within=_inside(request, members, inner),
    )
    return await answer(msgspec.structs.replace(query, path=path), request, service)


async def search_compartment_by_post(request: FhirRequest, service: Service) -> Answer:
    check_form(request)
    return await search_compartment(request, service)


def _types(request: FhirRequest, service: Service) -> list[str]:
    named = [each for name, value in asked(request, service) if name == "_type" for each in value.split(",") if each]
    if unknown := [each for each in named if each not in stored_types()]:
        raise invalid("_type", f"not a resource type: {unknown[0][:64]}", "不是资源类型")
    return [*dict.fromkeys(named)] or [each for each in stored_types() if each not in _ONLY_BY_NAME]


async def _over(types: Mapping[str, Condition | None], request: FhirRequest, service: Service, path: str) -> Answer:
    if not types:
        raise invalid("_type", "no type of this compartment", "该分区不含此类型")
    query = parse_system_search(
        types,
        asked(request, service),
        strict=is_strict(request.prefer),
        base=service.base,
        zone=service.zone,
        now=request.at,
    )
    return await answer(msgspec.structs.replace(query, path=path), request, service)


def _inside(request: FhirRequest, members: Mapping[str, tuple[str, ...]], resource_type: str) -> Condition:
    """Any of the parameters by which the type belongs to the compartment names its owner."""
    owner = (ReferenceValue((f"{request.type}/{request.id}",)),)
    codes = (code for code in members[resource_type] if code in search_parameters(resource_type))
    return AnyOf(tuple(Match(code, "reference", None, owner) for code in codes))
