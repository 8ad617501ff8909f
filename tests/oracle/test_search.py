"""The store finds what the reference finds, in the order that the keys say, page by page.

The runs are short; YIYANG_SOAK=N makes them N times as long.
"""

import asyncio
import os
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from services.kit.caller import Caller
from services.kit.peers import Peers
from tests.builders import entry, transaction
from tests.house import Fhir
from tests.minimal import json_of
from tests.oracle.elements import PARAMETERS
from tests.oracle.search import World, sort_key
from tests.oracle.worlds import Item, searches, worlds
from tests.shelf import SYSTEM, pages

Json = dict[str, Any]

SOAK = int(os.environ.get("YIYANG_SOAK", "1"))
SHORT = settings(
    max_examples=40 * SOAK,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    database=None,
    phases=[Phase.generate, *([Phase.shrink] if SOAK > 1 else ())],
)
SEARCHES = 12
WRITES = 5


def _fhir(house: Peers) -> Fhir:
    return Fhir(house, Caller("his", "hospital", None, ("system/*.cruds",), "TREAT", "request-1", "jti-1"))


class Stored:
    """A world on the server: its ids and references made unique, its resources tagged."""

    def __init__(self, fhir: Fhir, resources: list[Json]) -> None:
        self.fhir = fhir
        self.run = uuid4().hex
        self.resources = [
            _named(r, self.run) | {"meta": {"tag": [{"system": SYSTEM, "code": self.run}]}} for r in resources
        ]
        self.world = World(self.resources)

    async def put(self) -> None:
        entries = [entry("PUT", f"{r['resourceType']}/{r['id']}", r) for r in self.resources]
        answer = await self.fhir.post("/", json_of(transaction(*entries)))
        assert answer.status_code == 200, answer.text[:2000]

    def path(self, kind: str, items: Iterable[Item]) -> str:
        asked = "".join(f"&{name}={quote(text, safe='|,$%')}" for name, text in items)
        return f"/{kind}?_tag={self.run}{asked}"


def _named(node: Any, run: str) -> Any:
    """`Patient/3` becomes `Patient/3-run`, and so does the id."""
    if isinstance(node, list):
        return [_named(each, run) for each in node]
    if not isinstance(node, dict):
        return node
    renamed = {name: _named(value, run) for name, value in node.items()}
    if "resourceType" in node:
        renamed["id"] = f"{node['id']}-{run}"
    if isinstance(node.get("reference"), str):
        renamed["reference"] = f"{node['reference']}-{run}"
    return renamed


@given(data=st.data())
@SHORT
async def test_the_store_finds_what_the_reference_finds(house: Peers, data: st.DataObject) -> None:
    """http://hl7.org/fhir/R4/search.html"""
    plain = data.draw(worlds())
    stored = Stored(_fhir(house), plain)
    await stored.put()
    for _ in range(SEARCHES):
        kind, items = data.draw(searches(stored.resources))
        answer = await stored.fhir.get(stored.path(kind, items), prefer="handling=strict")
        note(stored.path(kind, items))
        assert answer.status_code == 200, answer.text
        found = {e["resource"]["id"] for e in answer.json().get("entry", ())}
        said = [(name, text.replace("%2B", "+")) for name, text in items]
        assert found == {r["id"] for r in stored.world.search(kind, said)}


@given(data=st.data())
@SHORT
async def test_pages_are_in_order_and_hold_each_match_once(house: Peers, data: st.DataObject) -> None:
    """http://hl7.org/fhir/R4/search.html#sort"""
    stored = Stored(_fhir(house), data.draw(worlds()))
    await stored.put()
    kind = data.draw(st.sampled_from(sorted({r["resourceType"] for r in stored.resources})))
    sortable = sorted(c for c, p in PARAMETERS[kind].items() if p.kind not in ("quantity", "number"))
    keys = data.draw(
        st.lists(st.tuples(st.sampled_from(sortable), st.booleans()), min_size=1, max_size=3, unique_by=lambda k: k[0])
    )
    asked = ",".join(("-" if descending else "") + code for code, descending in keys)
    path = stored.path(kind, [("_sort", asked), ("_count", str(data.draw(st.integers(1, 4))))])
    note(path)
    ids = [e["resource"]["id"] for page in await pages(stored.fhir, path) for e in page.get("entry", ())]
    assert sorted(ids) == sorted(r["id"] for r in stored.world.of(kind))
    by_id = {r["id"]: r for r in stored.resources}
    for one, other in pairwise(ids):
        assert not _is_before(by_id[other], by_id[one], keys), (one, other)


def _is_before(one: Json, other: Json, keys: list[tuple[str, bool]]) -> bool:
    """Whether the keys put `one` strictly before `other`; what has no value comes last, either way."""
    for code, descending in keys:
        first, second = (sort_key(r, code, descending=descending) for r in (one, other))
        if first == second:
            continue
        if first is None or second is None:
            return second is None
        return bool(first > second) if descending else bool(first < second)
    return False


@given(data=st.data())
@settings(SHORT, max_examples=10 * SOAK)
async def test_pages_miss_nothing_while_others_write(house: Peers, data: st.DataObject) -> None:
    """What nobody touches is told exactly once, whatever is written between the pages."""
    stored = Stored(_fhir(house), data.draw(worlds()))
    await stored.put()
    kind = data.draw(st.sampled_from(sorted({r["resourceType"] for r in stored.resources})))
    code = data.draw(
        st.sampled_from(
            [
                "_id",
                "_lastUpdated",
                *sorted(c for c, p in PARAMETERS[kind].items() if p.kind in ("string", "name", "token", "date")),
            ]
        )
    )
    mine = [r for r in stored.resources if r["resourceType"] == kind]
    touched = mine[: len(mine) // 2]
    seen: list[str] = []
    path: str | None = stored.path(kind, [("_sort", code), ("_count", "1")])
    while path:
        page = (await stored.fhir.get(path)).json()
        seen += [e["resource"]["id"] for e in page.get("entry", ())]
        path = next((link["url"].partition("/fhir")[2] for link in page["link"] if link["relation"] == "next"), None)
        if len(seen) <= WRITES:  # who writes faster than this reads is never read to the end
            await asyncio.gather(*(_write(stored, each, len(seen)) for each in touched))
    quiet = [r["id"] for r in mine if r not in touched]
    assert [seen.count(each) for each in quiet] == [1] * len(quiet)


async def _write(stored: Stored, resource: Json, n: int) -> None:
    """Change the resource, and store another beside it."""
    path = f"/{resource['resourceType']}/{resource['id']}"
    other = resource | {"id": f"x{n}-{resource['id'][:40]}"}
    for each in (resource | {"language": "zh" if n % 2 else "en"}, other):
        await stored.fhir.put(path.rpartition("/")[0] + f"/{each['id']}", json_of(each))
