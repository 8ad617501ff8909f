"""What a page brings along, step by step: http://hl7.org/fhir/R4/search.html#revinclude"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.search.includes import ANY
from services.fhir.search.keys import canonical_key, text_key
from services.fhir.search.query import Include, SearchQuery
from services.fhir.search.registry import remembered, search_parameters
from services.fhir.search.targets import reference_targets, refers_by_canonical
from services.fhir.store.access import live
from services.fhir.store.rows import Stored, from_record
from services.fhir.store.statement import RETURNED, Rows, Sql, table
from services.fhir.store.tables import stored_types

MAX_INCLUDED: Final = 1000
MAX_STEPS: Final = 10

_CANONICAL: Final = ":canonical"


class Found(msgspec.Struct, frozen=True):
    """A resource of the answer, with what it refers to."""

    stored: Stored
    tokens: list[str]

    @property
    def name(self) -> str:
        return f"{self.stored.type}/{self.stored.id}"


async def included(
    connection: Any, query: SearchQuery, matches: Sequence[Found], access: Access
) -> tuple[tuple[Stored, ...], bool]:
    """Each resource once, never one that is a match of this page; and whether there would be more than are told."""
    kept: dict[str, Found] = {}
    seen = {found.name for found in matches}
    newest: Sequence[Found] = matches
    for step in range(MAX_STEPS + 1):
        asked = _asked(query, iterate=step > 0)
        found = await _step(connection, asked, newest, lambda t: query.readable is None or t in query.readable, access)
        newest = [*{f.name: f for f in found if f.name not in seen}.values()]
        seen |= {f.name for f in newest}
        if not newest:
            break
        if step == MAX_STEPS:
            return _told(kept), True
        kept |= {f.name: f for f in newest}
        if len(kept) > MAX_INCLUDED:
            return _told(kept), True
    return _told(kept), False


def _told(kept: dict[str, Found]) -> tuple[Stored, ...]:
    return tuple(f.stored for f in kept.values())[:MAX_INCLUDED]


def _asked(query: SearchQuery, *, iterate: bool) -> tuple[list[Include], list[Include]]:
    """What is asked of the matches, or of what was included."""
    return (
        [i for i in query.includes if i.iterate or not iterate],
        [i for i in query.revincludes if i.iterate or not iterate],
    )


async def _step(
    connection: Any,
    asked: tuple[list[Include], list[Include]],
    newest: Sequence[Found],
    may: Callable[[str], bool],
    access: Access,
) -> list[Found]:
    """One look-up per type and way."""
    wanted, urls = _referenced(asked[0], newest)
    found: list[Found] = []
    for resource_type, ids in sorted(wanted.items()):
        if may(resource_type):
            found += await _by_id(connection, resource_type, sorted(ids), access)
    for resource_type, named in sorted(urls.items()):
        if may(resource_type):
            found += await _by_url(connection, resource_type, sorted(named), access)
    for source, keys in sorted(_referring_keys(asked[1], newest).items()):
        if may(source):
            found += await _by_keys(connection, source, sorted(keys), access)
    return found


# ---- forth ------------------------------------------------------------------------------------------------------------------


def _referenced(
    includes: Iterable[Include], newest: Sequence[Found]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Ids and canonical URLs by type."""
    wanted: dict[str, set[str]] = defaultdict(set)
    urls: dict[str, set[str]] = defaultdict(set)
    for include in includes:
        for found in newest:
            if include.source in (ANY, found.stored.type):
                _collect(include, found, wanted, urls)
    return wanted, urls


def _collect(include: Include, found: Found, wanted: dict[str, set[str]], urls: dict[str, set[str]]) -> None:
    """Read what a resource refers to from its index; the type of a canonical's target is among those of its parameter."""
    targets_of = _references(found.stored.type)
    for key in found.tokens:
        code, sign, value = key.partition("=")
        targets = targets_of.get(code.removesuffix(_CANONICAL)) if sign else None
        if targets is None or include.parameter not in (ANY, code.removesuffix(_CANONICAL)):
            continue
        allowed = include.targets or targets
        if code.endswith(_CANONICAL):
            for target in set(targets).intersection(allowed):
                urls[target].add(value)
            continue
        kind, slash, resource_id = value.partition("/")
        if slash and kind in allowed and kind in _stored():
            wanted[kind].add(resource_id)


@cache
def _stored() -> frozenset[str]:
    return frozenset(stored_types())


@remembered
def _references(resource_type: str) -> dict[str, tuple[str, ...]]:
    """The reference parameters of a type, each with the types that it can point to."""
    parameters = search_parameters(resource_type).values()
    return {p.code: reference_targets(resource_type, p) for p in parameters if p.type == "reference" and p.expression}


async def _by_id(connection: Any, resource_type: str, ids: list[str], access: Access) -> list[Found]:
    return await _where("t.id = ANY({})", ids, connection, resource_type, access)


async def _by_url(connection: Any, resource_type: str, canonicals: list[str], access: Access) -> list[Found]:
    """Of several with the same url the version that is named, else the one that was written last."""
    urls = [text_key("url", c.partition("|")[0]) for c in canonicals]
    there = await _by_keys(connection, resource_type, urls, access)
    there.sort(key=lambda f: f.stored.updated, reverse=True)
    named = (next((f for f in there if _is(f, c)), None) for c in canonicals)
    return [f for f in named if f is not None]


def _is(found: Found, canonical: str) -> bool:
    url, _, version = canonical.partition("|")
    return text_key("url", url) in found.tokens and (not version or f"version=|{version}" in found.tokens)


# ---- back -------------------------------------------------------------------------------------------------------------------


def _referring_keys(revincludes: Iterable[Include], newest: Sequence[Found]) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = defaultdict(set)
    for include in revincludes:
        for source in stored_types() if include.source == ANY else (include.source,):
            for code, targets in _references(source).items():
                if include.parameter in (ANY, code):
                    keys[source] |= set(_keys(source, code, include.targets or targets, newest))
    return {source: found for source, found in keys.items() if found}


def _keys(source: str, code: str, targets: Sequence[str], newest: Sequence[Found]) -> Iterator[str]:
    by_canonical = refers_by_canonical(search_parameters(source)[code].expression, source)
    for found in newest:
        if found.stored.type not in targets:
            continue
        if not by_canonical:
            yield text_key(code, found.name)
            continue
        versions = [k.removeprefix("version=|") for k in found.tokens if k.startswith("version=|")]
        for url in (k.removeprefix("url=") for k in found.tokens if k.startswith("url=")):
            yield from (canonical_key(code, each) for each in (url, *(f"{url}|{v}" for v in versions)))


async def _by_keys(connection: Any, resource_type: str, keys: list[str], access: Access) -> list[Found]:
    return await _where("t.tokens && {}", keys, connection, resource_type, access)


async def _where(condition: str, texts: list[str], connection: Any, resource_type: str, access: Access) -> list[Found]:
    sql = Sql(access)
    there = f"{live(Rows('t', resource_type), sql)} AND {condition.format(sql.bind(texts, 'text[]'))}"
    text = f"SELECT {RETURNED}, t.tokens FROM {table(resource_type)} t WHERE {there} ORDER BY t.id LIMIT {MAX_INCLUDED + 1}"
    return _found(await connection.fetch(text, *sql.values), resource_type)


def _found(records: Sequence[Any], resource_type: str) -> list[Found]:
    return [Found(from_record(r, resource_type), r["tokens"]) for r in records]
