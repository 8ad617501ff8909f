"""Patient/$everything: http://hl7.org/fhir/R4/patient-operation-everything.html"""

import asyncio
from typing import Any

import pytest

from tests.builders import care_plan, condition, encounter, observation, organization, patient, practitioner, task
from tests.house import BASE, Fhir, Json
from tests.matchers import assert_outcome


async def pages(fhir: Fhir, path: str) -> list[Json]:
    """Follow the next links to the end."""
    found = []
    while path:
        answer = await fhir.get(path)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        links = {link["relation"]: link["url"] for link in found[-1]["link"]}
        assert links["self"].startswith(BASE)
        path = links.get("next", "").removeprefix(BASE)
    return found


def names(bundle: Json, mode: str) -> list[str]:
    entries = [e for e in bundle.get("entry", ()) if e["search"]["mode"] == mode]
    return [f"{e['resource']['resourceType']}/{e['resource'].get('id')}" for e in entries]


def name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


async def an_elder(fhir: Fhir, observations: int = 0) -> tuple[str, set[str], set[str]]:
    """A patient with a little of everything: its reference, what tells of it, and what that refers to."""
    house = await fhir.created(organization(name="上级机构"))
    home = await fhir.created(organization(partOf={"reference": name(house)}))
    nurse = await fhir.created(practitioner())
    elder = await fhir.created(patient(managingOrganization={"reference": name(home)}))
    reference = name(elder)
    own = [
        await fhir.created(condition(reference)),
        await fhir.created(encounter(reference)),
        await fhir.created(care_plan(reference, author={"reference": name(nurse)})),
        await fhir.created(task() | {"for": {"reference": reference}}),
        *[await fhir.created(observation(reference)) for _ in range(observations)],
    ]
    return reference, {reference, *map(name, own)}, {name(house), name(home), name(nurse)}


async def test_everything_is_the_compartment_and_what_it_refers_to(fhir: Fhir) -> None:
    reference, own, others = await an_elder(fhir, observations=2)
    stranger, *_ = await an_elder(fhir)
    (bundle,) = await pages(fhir, f"/{reference}/$everything")
    assert bundle["type"] == "searchset"
    assert names(bundle, "match")[0] == reference
    assert set(names(bundle, "match")) == own
    assert set(names(bundle, "include")) == others
    assert stranger not in str(bundle)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_pages_are_complete_and_repeat_no_match(fhir: Fhir, count: int) -> None:
    reference, own, others = await an_elder(fhir, observations=5)
    found = await pages(fhir, f"/{reference}/$everything?_count={count}")
    matches = [n for bundle in found for n in names(bundle, "match")]
    assert sorted(matches) == sorted(own)
    assert {n for bundle in found for n in names(bundle, "include")} == others
    assert all(len(names(bundle, "match")) <= count for bundle in found)
    for bundle in found:
        assert len(names(bundle, "include")) == len(set(names(bundle, "include")))


async def test_what_is_written_between_two_pages_disturbs_none(fhir: Fhir) -> None:
    reference, own, _ = await an_elder(fhir, observations=5)
    first = (await fhir.get(f"/{reference}/$everything?_count=4")).json()
    late = await fhir.created(observation(reference))
    rest = await pages(fhir, {x["relation"]: x["url"] for x in first["link"]}["next"].removeprefix(BASE))
    matches = [n for bundle in (first, *rest) for n in names(bundle, "match")]
    assert len(matches) == len(set(matches))
    assert own <= set(matches) <= own | {name(late)}


async def test_types_limit_both_the_patients_and_the_others(fhir: Fhir) -> None:
    reference, _, others = await an_elder(fhir, observations=1)
    (bundle,) = await pages(fhir, f"/{reference}/$everything?_type=Observation,CarePlan,Practitioner")
    assert {n.partition("/")[0] for n in names(bundle, "match")} == {"Observation", "CarePlan"}
    assert names(bundle, "include") == [n for n in others if n.startswith("Practitioner/")]
    assert_outcome(await fhir.get(f"/{reference}/$everything?_type=Elder"), 400, "value")


async def test_start_and_end_are_dates_of_care(fhir: Fhir) -> None:
    elder = name(await fhir.created(patient()))
    old = await fhir.created(observation(elder, effectiveDateTime="2020-02-29"))
    new = await fhir.created(observation(elder, effectiveDateTime="2024-05-01T08:00:00+08:00"))
    undated = await fhir.created(condition(elder))

    async def found(query: str) -> set[str]:
        return {n for bundle in await pages(fhir, f"/{elder}/$everything?{query}") for n in names(bundle, "match")}

    assert await found("start=2021-01-01") == {elder, name(new), name(undated)}
    assert await found("end=2020-02-29") == {elder, name(old), name(undated)}
    assert await found("start=2020-03-01&end=2024-04-30") == {elder, name(undated)}
    assert await found("start=2020-02&end=2024-05-01") == {elder, name(old), name(new), name(undated)}
    assert_outcome(await fhir.get(f"/{elder}/$everything?start=yesterday"), 400, "value")


async def test_since_is_the_last_update(fhir: Fhir) -> None:
    reference, *_ = await an_elder(fhir)
    await asyncio.sleep(0.01)  # an instant has milliseconds
    late = await fhir.created(observation(reference))
    (bundle,) = await pages(fhir, f"/{reference}/$everything?_since={late['meta']['lastUpdated']}")
    assert names(bundle, "match") == [name(late)]
    assert names(bundle, "include") == []


async def test_of_all_patients_page_by_page(fhir: Fhir) -> None:
    families = [await an_elder(fhir, observations=n) for n in range(3)]
    found = await pages(fhir, "/Patient/$everything?_count=5")
    matches = [n for bundle in found for n in names(bundle, "match")]
    assert len(matches) == len(set(matches))
    assert set().union(*(own for _, own, _ in families)) <= set(matches)


async def test_only_what_the_scopes_cover_comes(fhir: Fhir) -> None:
    reference, *_ = await an_elder(fhir, observations=1)
    limited = fhir.as_(scopes=("system/Patient.r", "system/Observation.rs"))
    (bundle,) = await pages(limited, f"/{reference}/$everything")
    assert {n.partition("/")[0] for n in names(bundle, "match")} == {"Patient", "Observation"}
    assert names(bundle, "include") == []
    assert_outcome(await limited.get(f"/{reference}/$everything?_type=Condition"), 403, "forbidden")


async def test_by_post_as_by_get(fhir: Fhir) -> None:
    reference, *_ = await an_elder(fhir, observations=1)
    body: dict[str, Any] = {
        "resourceType": "Parameters",
        "parameter": [{"name": "_type", "valueCode": "Observation"}, {"name": "_count", "valueInteger": 1}],
    }
    bundle = (await fhir.post(f"/{reference}/$everything", body)).json()
    assert len(names(bundle, "match")) == 1
    assert bundle["link"][0]["url"] == f"{BASE}/{reference}/$everything?_count=1&_type=Observation"


async def test_another_patient_is_never_brought_along(fhir: Fhir) -> None:
    elder, friend = name(await fhir.created(patient())), name(await fhir.created(patient()))
    theirs = await fhir.created(observation(friend))
    mine = await fhir.created(
        observation(elder, hasMember=[{"reference": name(theirs)}], focus=[{"reference": friend}])
    )
    (bundle,) = await pages(fhir, f"/{elder}/$everything")
    assert names(bundle, "match") == [elder, name(mine)]
    assert names(bundle, "include") == []


async def test_bad_requests_are_told(fhir: Fhir) -> None:
    reference, *_ = await an_elder(fhir)
    assert_outcome(await fhir.get("/Patient/never-there/$everything"), 404, "not-found")
    assert_outcome(await fhir.get(f"/{reference}/$everything?_count=0"), 400, "value")
    assert_outcome(await fhir.get(f"/{reference}/$everything?_sort=date"), 400, "not-supported")
    assert_outcome(await fhir.get(f"/{reference}/$everything?_cursor=forged"), 400, "value")
    await fhir.delete(f"/{reference}")
    assert_outcome(await fhir.get(f"/{reference}/$everything"), 410, "deleted")
    assert_outcome(await fhir.get("/Observation/$everything"), 404, "not-supported")
