"""`/openapi.json` and `/docs`: https://spec.openapis.org/oas/v3.1.0"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings
from services.care.resources import SERVED as CARE
from services.fhir.operations import OPERATIONS
from services.kit.database import Database
from services.kit.peers import Peers
from services.records.resources import SERVED as RECORDS
from services.referral.resources import SERVED as REFERRAL
from tests.front import ORIGIN
from tests.house import KEY, Json

TYPES = [served.type for served in (*RECORDS, *REFERRAL, *CARE)]


@pytest.fixture
async def http(house: Peers, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = GatewaySettings.model_validate({"database_url": database_url, "internal_key": KEY})
    database = Database(database_url)
    app = create_app(settings, peers=house, database=database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client
    await database.close()


@pytest.fixture
async def document(http: httpx.AsyncClient) -> Json:
    answer = await http.get("/openapi.json")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_type_is_there_with_what_its_owner_allows(document: Json) -> None:
    paths = document["paths"]
    assert document["openapi"].startswith("3.1")
    for name in TYPES:
        assert {"get", "post"} <= set(paths[f"/fhir/{name}"])
        assert "get" in paths[f"/fhir/{name}/{{id}}/_history/{{version}}"]
    assert {"get", "put", "patch", "delete"} <= set(paths["/fhir/Task/{id}"])
    assert set(paths["/fhir/AuditEvent/{id}"]) == {"get"}
    assert {"/fhir", "/fhir/metadata", "/fhir/_history", "/auth/token"} <= set(paths)


async def test_every_operation_is_there_where_it_is_served(document: Json) -> None:
    paths = document["paths"]
    for operation in (o for several in OPERATIONS.values() for o in several):
        kind = operation.types[0] if operation.types else "Observation"
        places = {"system": "/fhir", "type": f"/fhir/{kind}", "instance": f"/fhir/{kind}/{{id}}"}
        for level in operation.levels:
            methods = paths[f"{places[level]}/${operation.name}"]
            assert {m.lower() for m in operation.methods} <= set(methods)
    assert "/fhir/Observation/{id}/$everything" not in paths
    assert set(paths["/fhir/$job/{id}"]) == {"get", "delete"}


async def test_a_search_lists_its_parameters(document: Json) -> None:
    parameters = document["paths"]["/fhir/Patient"]["get"]["parameters"]
    assert {"identifier", "birthdate", "name"} <= {p.get("name") for p in parameters}
    assert {"$ref": "#/components/parameters/_count"} in parameters


async def test_the_document_is_connected_and_its_ids_are_unique(document: Json) -> None:
    for reference in references(document):
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    ids = [operation["operationId"] for *_, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, method, operation in operations(document):
        named = set(re.findall(r"\{(\w+)\}", path))
        given = {p["$ref"].rpartition("/")[2] for p in operation.get("parameters", ()) if "$ref" in p}
        assert named <= given | {p.get("name") for p in operation.get("parameters", ())}, (method, path)
        assert operation["responses"], (method, path)


async def test_what_is_open_is_said_to_be_open(document: Json) -> None:
    assert document["security"] == [{"smart": []}]
    assert document["paths"]["/fhir/metadata"]["get"]["security"] == []
    assert document["paths"]["/auth/token"]["post"]["security"] == []
    assert "security" not in document["paths"]["/fhir/Patient"]["get"]


async def test_the_page_works_without_a_network(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.status_code == 200
    places = re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)['"]""", page.text)
    assert places
    assert all(place.startswith("/") for place in places), places
    for place in places:
        asset = await http.get(place)
        assert asset.status_code == 200, place
        assert len(asset.content) > 1000
    assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
    assert (await http.get("/docs/redoc.standalone.js")).status_code == 404
