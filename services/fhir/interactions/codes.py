"""Value sets and places in a code system as the codes that they are: http://hl7.org/fhir/R4/search.html#modifiers

A search names them by `:in`, `:not-in`, `:above` and `:below`; the store compares codes.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from services.fhir.outcomes import FhirError, bad_request
from services.fhir.search.query import (
    All,
    AnyOf,
    Chain,
    Condition,
    Has,
    Match,
    Missing,
    Not,
    SearchQuery,
    TokenValue,
    UriValue,
)
from services.fhir.search.registry import search_parameters
from services.fhir.search.targets import implied_systems
from services.fhir.service import Service
from services.fhir.store.store import Stores
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.members import Members

MAX_CODES: Final = 10_000
_MODIFIERS: Final = frozenset({"in", "not-in", "above", "below"})


async def with_codes(query: SearchQuery, service: Service) -> SearchQuery:
    """FhirError 400 for a value set or a code system that is not known here: an answer would be a guess."""
    if not query.needs_codes:
        return query
    codes = _Codes(service.stores, service.base)
    return msgspec.structs.replace(
        query,
        conditions=await codes.all_of(query.conditions, query.type),
        types=tuple([(kind, await codes.all_of(conditions, kind)) for kind, conditions in query.types]),
        needs_codes=False,
    )


class _Codes:
    def __init__(self, stores: Stores, base: str) -> None:
        self._catalog = Catalog(stores)
        self._members = Members(self._catalog)
        self._stores = stores
        self._base = f"{base}/"

    async def all_of(self, conditions: Iterable[Condition], kind: str) -> tuple[Condition, ...]:
        return tuple([await self.of(each, kind) for each in conditions])

    async def of(self, condition: Condition, kind: str) -> Condition:  # noqa: PLR0911 - one for each kind
        match condition:
            case Match():
                is_asked = condition.type == "token" and condition.modifier in _MODIFIERS
                return await self._match(condition, kind) if is_asked else condition
            case Missing():
                return condition
            case Chain(parameter, targets, canonical):
                return Chain(parameter, tuple([(t, await self.of(c, t)) for t, c in targets]), canonical)
            case Has(source, parameter, inner, canonical):
                return Has(source, parameter, await self.of(inner, source), canonical)
            case Not(inner):
                return Not(await self.of(inner, kind))
            case All(inside):
                return All(await self.all_of(inside, kind))
            case AnyOf(inside):
                return AnyOf(await self.all_of(inside, kind))

    async def _match(self, condition: Match, kind: str) -> Match:
        expression = search_parameters(kind)[condition.parameter].expression
        implied = implied_systems(expression, kind)
        found: dict[TokenValue, None] = {}
        for value in condition.values:
            for system, code in await self._codes_of(condition, value):
                found[TokenValue(None if system in implied else system, code)] = None
        if len(found) > MAX_CODES:
            raise _refused(condition, "too-costly", f"More than {MAX_CODES} codes", "代码过多")
        modifier: Literal["not"] | None = "not" if condition.modifier == "not-in" else None
        return Match(condition.parameter, "token", modifier, tuple(found))

    async def _codes_of(self, condition: Match, value: object) -> Iterable[tuple[str, str]]:
        if isinstance(value, UriValue):
            return await self._of_value_set(condition, value.uri)
        if isinstance(value, TokenValue) and value.system and value.code:
            return await self._of_hierarchy(condition, value.system, value.code)
        raise TypeError(type(value).__name__)

    async def _of_value_set(self, condition: Match, uri: str) -> Iterable[tuple[str, str]]:
        url = await self._url(uri.removeprefix(self._base))
        value_set = await self._catalog.value_set(url) if url else None
        if value_set is None:
            raise _refused(condition, "not-found", "The value set is not known here", "未找到该值集")
        try:
            return await self._members.of(value_set)
        except FhirError as error:
            issue = error.issues[0]
            raise _refused(condition, issue.code, issue.diagnostics, issue.text) from error

    async def _url(self, uri: str) -> str | None:
        """A value set is named by its canonical, or by where it lies on this server."""
        kind, _, resource_id = uri.partition("/")
        if kind != "ValueSet":
            return uri
        stored = await self._stores.reading(lambda store: store.read("ValueSet", resource_id))
        body = msgspec.json.decode(stored.body, type=_Definition) if stored and stored.body else None
        return body.url if body else None

    async def _of_hierarchy(self, condition: Match, url: str, code: str) -> Iterable[tuple[str, str]]:
        system = await self._catalog.system(url)
        concept = system.get(code) if system else None
        if system is None or concept is None:
            raise _refused(condition, "not-found", "The code is not known here", "未收录该代码")
        below = condition.modifier == "below"
        related = system.descendants(concept.code) if below else system.ancestors(concept.code)
        return [(url, each) for each in (concept.code, *sorted(related))]


class _Definition(msgspec.Struct):
    url: str | None = None


def _refused(condition: Match, code: str, why: str, text: str) -> FhirError:
    name = f"{condition.parameter}:{condition.modifier}"
    return bad_request(f"Search parameter {name}: {why}", code=code, text=f"检索参数 {name}：{text}")
