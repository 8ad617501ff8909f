"""fhirpy, as its README uses it: http://hl7.org/fhir/R4/http.html"""

from typing import Any
from uuid import uuid4

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.builders import batch, create, entry, observation, patient, transaction, urn
from tests.clients.conftest import Entrance

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def client(entrance: Entrance) -> SyncFHIRClient:
    return SyncFHIRClient(entrance.base, authorization=f"Bearer {entrance.token}")


def family() -> str:
    """A name that nobody has yet."""
    return f"F{uuid4().hex[:10]}"


def stored(client: SyncFHIRClient, **changes: Any) -> Any:
    resource = client.resource("Patient", **patient(**changes))
    resource.save()
    return resource


def test_a_resource_is_created_read_updated_and_deleted(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#create, #read, #update and #delete"""
    born = stored(client, gender="female", name=[{"family": "王", "given": ["秀英"]}])
    assert born["meta"]["versionId"] == "1"
    born["gender"] = "other"
    born.save()
    read = client.reference("Patient", born.id).to_resource()
    assert (read["gender"], read["name"][0]["given"], read["meta"]["versionId"]) == ("other", ["秀英"], "2")
    client.delete("Patient", born.id)
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", born.id).to_resource()


def test_a_refused_resource_is_an_operation_outcome(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes"""
    with pytest.raises(OperationOutcome) as refused:
        stored(client, gender="unheard-of")
    assert refused.value.resource["issue"][0]["expression"] == ["Patient.gender"]


def test_a_search_is_paged_sorted_and_counted(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#paging"""
    name = family()
    for year in (1931, 1935, 1933, 1932, 1934):
        stored(client, birthDate=f"{year}-01-02", name=[{"family": name}])
    found = client.resources("Patient").search(family=name).sort("-birthdate").limit(2)
    assert [each["birthDate"][:4] for each in found] == ["1935", "1934", "1933", "1932", "1931"]
    assert len(found.fetch()) == 2
    assert found.count() == 5
    assert client.resources("Patient").search(family=name, birthdate__ge="1934").count() == 2
    assert set(found.elements("birthDate").fetch()[0]) >= {"birthDate", "id", "meta"}


def test_references_are_followed_both_ways(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/search.html#include, #revinclude, #chaining and #has"""
    name = family()
    person = stored(client, name=[{"family": name}])
    pulse = client.resource("Observation", **observation(f"Patient/{person.id}"))
    pulse.save()
    by_chain = client.resources("Observation").search(patient__Patient__family=name)
    assert [each.id for each in by_chain.include("Observation", "patient").fetch()] == [pulse.id]
    bundle = by_chain.include("Observation", "patient").fetch_raw()
    assert [each.resource.id for each in bundle.entry if each.search.mode == "include"] == [person.id]
    by_code = client.resources("Patient").has("Observation", "patient", code="8867-4").search(family=name)
    assert [each.id for each in by_code.fetch()] == [person.id]


def test_criteria_stand_for_an_id(entrance: Entrance, client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#ccreate, #cond-update and #cdelete"""
    system, value = "http://example.org/mrn", uuid4().hex
    criteria = client.resources("Patient").search(identifier=f"{system}|{value}")
    numbered = patient(identifier=[{"system": system, "value": value}])
    header = {"If-None-Exist": f"identifier={system}|{value}"}
    careful = SyncFHIRClient(entrance.base, authorization=f"Bearer {entrance.token}", extra_headers=header)
    first, again = stored(careful, **numbered), stored(careful, **numbered)
    assert first.id == again.id
    updated, is_new = criteria.update(client.resource("Patient", **(numbered | {"gender": "female"})))
    assert (updated.id, updated["gender"], is_new) == (first.id, "female", False)
    stored(client, **numbered)
    with pytest.raises(MultipleResourcesFound):
        criteria.update(client.resource("Patient", **numbered))


def test_a_patch_is_made_by_fhirpath(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/fhirpatch.html"""
    person = stored(client, gender="female")
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.gender"},
        {"name": "value", "valueCode": "unknown"},
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    patched = client.execute(f"Patient/{person.id}", method="patch", data=change)
    assert (patched["gender"], patched["meta"]["versionId"]) == ("unknown", "2")


def test_fhirpys_own_partial_update_is_not_r4_and_is_refused_clearly(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#patch: JSON Patch or FHIRPath Patch; fhirpy sends a part of the resource."""
    person = stored(client, gender="female")
    with pytest.raises(OperationOutcome):
        person.patch(gender="male")
    assert client.get("Patient", person.id)["gender"] == "female"


def test_history_tells_every_version(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#history"""
    person = stored(client)
    person["gender"] = "male"
    person.save()
    person.delete()
    bundle = client.execute(f"Patient/{person.id}/_history", method="get")
    assert [each["request"]["method"] for each in bundle["entry"]] == ["DELETE", "PUT", "POST"]
    assert "resource" not in bundle["entry"][0]


def test_a_transaction_is_whole_and_a_batch_is_not(client: SyncFHIRClient) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction"""
    person = urn()
    whole = client.execute("", data=transaction(create(patient(), person), create(observation(person), urn())))
    assert [each["response"]["status"][:3] for each in whole["entry"]] == ["201", "201"]
    with pytest.raises(OperationOutcome):
        client.execute("", data=transaction(create(patient(), urn()), create(patient(gender="unheard-of"), urn())))
    parts = client.execute("", data=batch(create(patient()), entry("GET", "Patient/nobody")))
    assert [each["response"]["status"][:3] for each in parts["entry"]] == ["201", "404"]
