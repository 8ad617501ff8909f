"""What CapabilityStatement advertises works, and by each parameter a resource is found by its own values.

http://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam
http://hl7.org/fhir/R4/search.html#searchValue
"""

from pathlib import Path
from typing import Final

import pytest

from services.fhir.search.index import indexed_branches
from services.fhir.search.registry import search_parameters
from services.fhir.served import ServedType
from services.fhir.validation import parse
from tests.conformance.own_values import own_searches
from tests.conformance.served import each_type
from tests.filled import filled, holds
from tests.house import Fhir
from tests.minimal import Json, json_of
from tests.shelf import link

OFFICIAL: Final = sorted((Path(__file__).parents[3] / "shared" / "data" / "r4-examples").glob("*.json"))
NOT_VALID: Final = frozenset({"Questionnaire-qs1"})  # its items have no linkId, which R4 requires
MOST: Final = 60  # parameters of one search


@each_type
async def test_a_resource_with_every_searchable_element(
    fhir: Fhir, capabilities: dict[str, Json], served: ServedType
) -> None:
    made = filled(served.type)
    assert all(any(holds(each, *path) for each in made) for path in indexed_branches(served.type))
    for resource in made:
        await finds_itself(fhir, capabilities[served.type], json_of(resource))


@pytest.mark.parametrize("path", OFFICIAL, ids=[path.stem for path in OFFICIAL])
async def test_an_official_example(fhir: Fhir, capabilities: dict[str, Json], path: Path) -> None:
    if path.stem not in NOT_VALID:
        await finds_itself(fhir, capabilities[path.stem.partition("-")[0]], path.read_bytes())


async def finds_itself(fhir: Fhir, capability: Json, body: bytes) -> None:
    """All searches hold together, so they are asked together; one by one only to name those that fail."""
    answer = await fhir.post(f"/{capability['type']}", body)
    assert answer.status_code == 201, answer.text
    stored = parse(answer.content, None)
    searches = [text for each in capability["searchParam"] for text in _own(stored, each["name"])]
    for start in range(0, len(searches), MOST):
        together = searches[start : start + MOST]
        if not await _is_found(fhir, stored, "&".join(together)):
            failing = [text for text in together if not await _is_found(fhir, stored, text)]
            pytest.fail(f"{stored['resourceType']} is not found by {failing or together}")


def _own(stored: Json, name: str) -> list[str]:
    parameter = search_parameters(stored["resourceType"])[name]
    match name:
        case "_id":
            return [f"_id={stored['id']}"]
        case "_lastUpdated":
            return [f"_lastUpdated={prefix}{stored['meta']['lastUpdated']}" for prefix in ("", "ge", "le", "ap")]
    return own_searches(stored, parameter)


async def _is_found(fhir: Fhir, stored: Json, searches: str) -> bool:
    answer = await fhir.get(f"/{stored['resourceType']}?_id={stored['id']}&{searches}", prefer="handling=strict")
    bundle = answer.json()
    used = (link(bundle, "self") or "").count("=") if answer.status_code == 200 else 0
    return used > searches.count("&") and [e["resource"]["id"] for e in bundle.get("entry", ())] == [stored["id"]]
