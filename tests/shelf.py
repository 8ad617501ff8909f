"""A few resources that a test searches among: they carry a tag of their own, so that nothing else is found."""

from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from tests.builders import create, transaction
from tests.house import BASE, Fhir
from tests.minimal import json_of

Json = dict[str, Any]

SYSTEM: Final = "http://example.org/shelf"


class Shelf:
    """Resources by the names that the test gives them."""

    def __init__(self, fhir: Fhir) -> None:
        self.fhir = fhir
        self.tag = {"system": SYSTEM, "code": uuid4().hex}
        self.stored: dict[str, Json] = {}

    async def put(self, **resources: Json) -> None:
        """Store the resources, named by keyword, in one transaction."""
        entries = [create(self.tagged(resource)) for resource in resources.values()]
        answer = await self.fhir.post("/", json_of(transaction(*entries)), prefer="return=representation")
        assert answer.status_code == 200, answer.text
        self.stored |= {n: e["resource"] for n, e in zip(resources, answer.json()["entry"], strict=True)}

    def tagged(self, resource: Json) -> Json:
        return resource | {"meta": resource.get("meta", {}) | {"tag": [self.tag]}}

    def path(self, resource_type: str, query: str = "") -> str:
        return f"/{resource_type}?_tag={self.tag['code']}" + (f"&{encoded(query)}" if query else "")

    async def search(self, resource_type: str, query: str = "", **headers: str) -> Json:
        answer = await self.fhir.get(self.path(resource_type, query), **headers)
        assert answer.status_code == 200, answer.text
        bundle: Json = answer.json()
        return bundle

    async def listed(self, resource_type: str, query: str = "") -> list[str]:
        """The names of the matches, in their order."""
        return self.names(await self.search(resource_type, query))

    async def found(self, resource_type: str, query: str = "") -> set[str]:
        return {*await self.listed(resource_type, query)}

    def names(self, bundle: Json, mode: str = "match") -> list[str]:
        by_id = {stored["id"]: name for name, stored in self.stored.items()}
        entries = [e["resource"]["id"] for e in bundle.get("entry", ()) if e["search"]["mode"] == mode]
        return [by_id.get(each, each) for each in entries]

    def id(self, name: str) -> str:
        return str(self.stored[name]["id"])

    def reference(self, name: str) -> str:
        return f"{self.stored[name]['resourceType']}/{self.id(name)}"


def encoded(query: str) -> str:
    """Percent-encode what a URL cannot hold; `+`, `%` and the signs between parameters stay as they are."""
    return quote(query, safe="=&?/:|,$%+-._~*\\")


def link(bundle: Json, relation: str) -> str | None:
    """The path below the base that a link of the bundle leads to."""
    return next((each["url"].removeprefix(BASE) for each in bundle["link"] if each["relation"] == relation), None)


async def pages(fhir: Fhir, path: str) -> list[Json]:
    """Every page from `path` on, by their next links."""
    read: list[Json] = []
    following: str | None = path
    while following:
        answer = await fhir.get(following)
        assert answer.status_code == 200, answer.text
        read.append(answer.json())
        following = link(read[-1], "next")
    return read
