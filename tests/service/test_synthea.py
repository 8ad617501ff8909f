"""Whole records load as a transaction and read back: http://hl7.org/fhir/R4/http.html#transaction

The real ones are Synthea's (../shared/data); one of our own always runs.
"""

import gzip
import json
from pathlib import Path
from typing import Final

import pytest

from tests.builders import (
    batch,
    care_plan,
    condition,
    create,
    encounter,
    entry,
    known_patient,
    observation,
    organization,
    practitioner,
    transaction,
    urn,
)
from tests.house import Fhir, Json
from tests.unaltered import content, resources

SYNTHEA: Final = sorted((Path(__file__).parents[3] / "shared" / "data" / "synthea").glob("*.json.gz"))


async def assert_loads(fhir: Fhir, body: bytes) -> None:
    """Each resource reads back equal but for id and meta and the links between them."""
    answer = await fhir.post("/", body)
    assert answer.status_code == 200, answer.text[:3000]
    sent, written = json.loads(body)["entry"], answer.json()["entry"]
    assert [e["response"]["status"][:3] for e in written] == ["201"] * len(sent)
    places = [e["response"]["location"].partition("/_history")[0] for e in written]
    links = {e["fullUrl"]: place for e, place in zip(sent, places, strict=True)}
    read = (await fhir.post("/", batch(*[entry("GET", place) for place in places]))).content
    for before, after in zip(resources(body), resources(read), strict=True):
        assert content(after) == content(before, links)


@pytest.mark.skipif(not SYNTHEA, reason="Synthea's records are not here")
@pytest.mark.parametrize("path", SYNTHEA, ids=[path.name.partition(".")[0] for path in SYNTHEA])
async def test_a_record_of_synthea_loads_and_reads_back(fhir: Fhir, path: Path) -> None:
    await assert_loads(fhir, gzip.decompress(path.read_bytes()))


async def test_a_record_of_our_own_loads_and_reads_back(fhir: Fhir) -> None:
    await assert_loads(fhir, json.dumps(own_record(), ensure_ascii=False).replace("36.5", "36.50").encode())


def own_record() -> Json:
    """A year at a home: visits, findings and a plan, each naming others before they are there."""
    person, home, nurse, plan = urn(), urn(), urn(), urn()
    entries = [create(care_plan(person, addresses=[{"reference": plan}]), urn())]
    for month in range(1, 13):
        visit, day = urn(), f"2024-{month:02}-01"
        performer = [{"reference": nurse}, {"reference": home}]
        seen = {"encounter": {"reference": visit}, "performer": performer}
        temperature = {"valueQuantity": {"value": 36.5, "unit": "Cel"}, "effectiveDateTime": f"{day}T08:00:00+08:00"}
        entries += [create(observation(person, **seen, **temperature), urn()) for _ in range(5)]
        entries.append(create(encounter(person, serviceProvider={"reference": home}, period={"start": day}), visit))
    entries += [
        create(condition(person, code={"text": "高血压"}, recordedDate="2024-01"), plan),
        create(practitioner(name=[{"text": "李护士"}]), nurse),
        create(organization(), home),
        create(known_patient(managingOrganization={"reference": home}), person),
    ]
    return transaction(*entries)
