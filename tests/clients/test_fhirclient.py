"""SMART's fhirclient with its own authorization and typed models: http://hl7.org/fhir/R4/http.html"""

from typing import Any
from uuid import uuid4

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRServer, FHIRUnauthorizedException

from tests.builders import batch, create, entry, observation, patient, transaction, urn
from tests.clients.conftest import SCOPES, Entrance

pytestmark = pytest.mark.long


def connected(entrance: Entrance, **settings: str) -> FHIRClient:
    client = FHIRClient({"app_id": entrance.name, "api_base": entrance.base, "scope": SCOPES, **settings})
    client.wants_patient = False
    client.prepare()
    return client


@pytest.fixture(scope="module")
def server(entrance: Entrance) -> FHIRServer:
    """It finds the token endpoint in the CapabilityStatement and asks there with a signed assertion."""
    client = connected(entrance, jwt_token=entrance.assertion())
    client.authorize()
    assert client.ready
    return client.server


def born(server: FHIRServer, **changes: Any) -> Patient:
    """The server's answer, as a model that knows where it came from."""
    answer = Patient(patient(**changes)).create(server)
    return Patient.read(answer["id"], server)


def test_without_a_token_nothing_is_read(entrance: Entrance) -> None:
    """http://hl7.org/fhir/R4/security.html#http"""
    stranger = connected(entrance)
    assert not stranger.ready
    with pytest.raises(FHIRUnauthorizedException):
        Patient.read("1", stranger.server)


def test_the_capability_statement_is_a_valid_model(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/http.html#capabilities"""
    statement = server.capabilityStatement
    assert statement.fhirVersion == "4.0.1"
    assert {"Patient", "Observation", "Task"} <= {each.type for each in statement.rest[0].resource}


def test_a_resource_is_created_read_updated_and_deleted(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/http.html#create, #read, #update and #delete"""
    person = born(server, gender="female", name=[{"family": "王", "given": ["秀英"]}], birthDate="1938-05")
    assert (person.name[0].family, person.as_json()["birthDate"]) == ("王", "1938-05")
    person.gender = "other"
    assert person.update()["meta"]["versionId"] == "2"
    assert Patient.read(person.id, server).gender == "other"
    person.delete()
    with pytest.raises(Exception, match="410"):
        Patient.read(person.id, server)
    with pytest.raises(FHIRNotFoundException):
        Patient.read("nobody", server)


def test_a_search_gives_every_page(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/http.html#paging"""
    family = f"F{uuid4().hex[:10]}"
    ids = {born(server, name=[{"family": family}]).id for _ in range(5)}
    search = Patient.where({"family": family, "_count": "2"})
    assert [len(page.entry) for page in search.perform_iter(server)] == [2, 2, 1]
    found = [each.id for each in search.perform_resources_iter(server)]
    assert (len(found), {*found}) == (5, ids)


def test_what_is_referred_to_comes_along(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/search.html#include, #revinclude and #chaining"""
    family = f"F{uuid4().hex[:10]}"
    person = born(server, name=[{"family": family}])
    Observation(observation(f"Patient/{person.id}")).create(server)
    forth = Observation.where({"subject:Patient.family": family}).include("subject")
    assert [each.resource_type for each in forth.perform_resources_iter(server)] == ["Observation", "Patient"]
    back = Patient.where({"family": family}).include("subject", Observation, reverse=True)
    assert [each.resource_type for each in back.perform_resources_iter(server)] == ["Patient", "Observation"]


def test_history_is_a_bundle_of_models(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/http.html#history and #vread"""
    person = born(server, gender="female")
    person.gender = "male"
    person.update()
    history = Bundle.read_from(f"Patient/{person.id}/_history", server)
    assert [each.resource.gender for each in history.entry] == ["male", "female"]
    assert Patient.read_from(f"Patient/{person.id}/_history/1", server).gender == "female"


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_is_posted_to_the_base(server: FHIRServer, kind: str) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction"""
    person = urn()
    sent = {
        "transaction": transaction(create(patient(), person), create(observation(person), urn())),
        "batch": batch(create(patient()), entry("GET", "Patient/nobody")),
    }[kind]
    answer = Bundle(Bundle(sent).create(server))
    assert answer.type == f"{kind}-response"
    expected = {"transaction": ["201", "201"], "batch": ["201", "404"]}[kind]
    assert [each.response.status[:3] for each in answer.entry] == expected


def test_a_patch_is_refused_or_made_like_any_other(server: FHIRServer) -> None:
    """http://hl7.org/fhir/R4/http.html#patch: fhirclient has none, so its session carries one."""
    person = born(server, gender="female")
    answer = server.session.patch(
        f"{server.base_uri}Patient/{person.id}",
        data='[{"op": "replace", "path": "/gender", "value": "male"}]',
        headers=server.auth.signed_headers({"Content-Type": "application/json-patch+json"}),
    )
    assert Patient(answer.json()).gender == "male"
