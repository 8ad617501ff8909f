"""What the server says of itself: http://hl7.org/fhir/R4/capabilitystatement.html and http://hl7.org/fhir/R4/http.html#capabilities"""

import pytest

from services.fhir.search.registry import search_parameters
from services.fhir.served import ServedType
from services.fhir.validation import parse, validate
from tests.conformance.served import SERVED, each_type
from tests.house import BASE, FHIR_JSON, Fhir
from tests.minimal import minimal
from tests.shelf import Json


async def test_the_statement_is_valid_r4_and_can_be_stored(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/capabilitystatement.html: kind instance, fhirVersion 4.0.1, mode server."""
    answer = await fhir.get("/metadata")
    statement = parse(answer.content, "CapabilityStatement")
    validate(statement)
    assert (statement["kind"], statement["fhirVersion"], statement["status"]) == ("instance", "4.0.1", "active")
    assert statement["implementation"]["url"] == BASE
    assert FHIR_JSON in statement["format"]
    assert [rest["mode"] for rest in statement["rest"]] == ["server"]
    assert (await fhir.post("/CapabilityStatement", answer.content)).status_code == 201


async def test_every_service_tells_the_same_for_the_whole_house(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#capabilities: one statement for the one base."""
    capabilities = (await fhir.get("/metadata")).json()["rest"][0]
    assert [each["type"] for each in capabilities["resource"]] == [served.type for served in SERVED]
    assert {each["code"] for each in capabilities["interaction"]} >= {"transaction", "batch", "history-system"}


@each_type
async def test_each_type_lists_its_interactions_and_they_are_there(
    fhir: Fhir, capabilities: dict[str, Json], served: ServedType
) -> None:
    """http://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.interaction"""
    capability = capabilities[served.type]
    listed = {each["code"] for each in capability["interaction"]}
    stored = await fhir.created(minimal(served.type))
    path = f"/{served.type}/{stored['id']}"
    calls: dict[str, tuple[str, str, Json | bytes]] = {
        "read": ("GET", path, b""),
        "vread": ("GET", f"{path}/_history/1", b""),
        "history-instance": ("GET", f"{path}/_history", b""),
        "history-type": ("GET", f"/{served.type}/_history?_count=1", b""),
        "search-type": ("GET", f"/{served.type}?_count=1", b""),
        "update": ("PUT", path, stored),
        "create": ("POST", f"/{served.type}", minimal(served.type)),
        "delete": ("DELETE", path, b""),
    }
    for interaction, (method, target, body) in calls.items():
        answer = await fhir.call(method, target, body)
        assert (answer.status_code == 405) is (interaction not in listed), interaction
        assert answer.status_code < 300 or interaction not in listed, answer.text
    assert capability["updateCreate"] is ("update" in listed)
    assert capability["readHistory"] is True


@each_type
async def test_each_search_parameter_is_r4s_or_the_platforms_own(
    capabilities: dict[str, Json], served: ServedType
) -> None:
    """http://hl7.org/fhir/R4/searchparameter-registry.html"""
    own = search_parameters(served.type)
    listed = capabilities[served.type]["searchParam"]
    assert len({each["name"] for each in listed}) == len(listed)
    for each in listed:
        parameter = own[each["name"]]
        assert (each["type"], each["definition"]) == (parameter.type, parameter.url)


@each_type
async def test_what_is_listed_is_understood_and_what_is_not_is_unknown(
    fhir: Fhir, capabilities: dict[str, Json], served: ServedType
) -> None:
    """http://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam"""
    listed = capabilities[served.type]["searchParam"]
    together = "&".join(f"{p['name']}:missing=false" for p in listed if p["type"] not in ("composite", "special"))
    for query in (
        together,
        "&".join(f"_include={each}" for each in capabilities[served.type].get("searchInclude", ())),
    ):
        answer = await fhir.get(f"/{served.type}?{query}&_count=1", prefer="handling=strict")
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("accept", ["application/fhir+json", "application/json", "*/*"])
async def test_the_statement_needs_no_signature(fhir: Fhir, accept: str) -> None:
    """http://hl7.org/fhir/R4/http.html#capabilities: who asks what a server can do has no token yet."""
    answer = await fhir.peers.call("care", "GET", "/fhir/metadata", [(b"accept", accept.encode())], b"")
    assert answer.status == 200
    refused = await fhir.peers.call("care", "GET", "/fhir/CarePlan", [(b"accept", accept.encode())], b"")
    assert refused.status == 401
