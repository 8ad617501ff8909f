"""The rules of a transaction and of a batch: http://hl7.org/fhir/R4/http.html#trules"""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.builders import (
    batch,
    care_plan,
    condition,
    create,
    encounter,
    entry,
    observation,
    organization,
    patient,
    practitioner,
    task,
    transaction,
    urn,
)
from tests.house import BASE, Fhir, Response
from tests.matchers import assert_outcome

Json = dict[str, Any]
SYSTEM = "http://example.org/mrn"


@pytest.fixture
def mrn() -> str:
    return uuid4().hex


def identified(resource: Json, value: str) -> Json:
    return resource | {"identifier": [{"system": SYSTEM, "value": value}]}


def by(value: str) -> str:
    return f"identifier={SYSTEM}|{value}"


def statuses(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [e["response"]["status"][:3] for e in response.json()["entry"]]


def names(response: Response) -> list[str]:
    """`Type/id` of each entry."""
    assert response.status_code == 200, response.text
    return [e["response"]["location"].partition("/_history")[0] for e in response.json()["entry"]]


async def total(fhir: Fhir, query: str) -> int:
    found: int = (await fhir.get(f"/{query}&_summary=count")).json()["total"]
    return found


# ---- order and answers ----------------------------------------------------------------------------------------------------


async def test_entries_are_answered_in_the_order_sent(fhir: Fhir) -> None:
    gone, kept = await fhir.created(patient()), await fhir.created(patient())
    response = await fhir.post(
        "/",
        transaction(
            entry("GET", f"Patient/{kept['id']}"),
            entry("HEAD", f"Patient/{kept['id']}"),
            entry("PUT", f"Patient/{kept['id']}", kept | {"gender": "male"}),
            create(patient()),
            entry("DELETE", f"Patient/{gone['id']}"),
            entry("DELETE", "Patient/nobody"),
        ),
    )
    assert statuses(response) == ["200", "200", "200", "201", "204", "204"]
    first, second, *_ = response.json()["entry"]
    assert first["resource"]["gender"] == "male"
    assert "resource" not in second


async def test_what_a_transaction_prefers_is_in_each_entry(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    for wanted, there in (("representation", "resource"), ("OperationOutcome", "outcome"), ("minimal", "")):
        response = await fhir.post("/", transaction(create(patient())), prefer=f"return={wanted}")
        made = response.json()["entry"][0]
        assert ("resource" in made) is (there == "resource")
        assert ("outcome" in made["response"]) is (there == "outcome")
        assert made["response"]["etag"] == 'W/"1"'
        assert made["response"]["location"].startswith("Patient/")


async def test_a_deleted_sibling_is_not_read(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"Patient/{stored['id']}"
    response = await fhir.post("/", transaction(entry("GET", path), entry("DELETE", path)))
    assert_outcome(response, 410, "deleted", "Bundle.entry[0]")
    assert (await fhir.get(f"/{path}")).status_code == 200


@pytest.mark.parametrize("kind", ["collection", "document", "searchset", "history", "message", "transaction-response"])
async def test_other_bundles_are_refused_whole(fhir: Fhir, kind: str) -> None:
    response = await fhir.post("/", {"resourceType": "Bundle", "type": kind})
    assert response.status_code in (400, 422)
    assert response.json()["resourceType"] == "OperationOutcome"


# ---- conditional entries --------------------------------------------------------------------------------------------------


async def test_a_conditional_create_that_matched_stands_for_the_existing_one(fhir: Fhir, mrn: str) -> None:
    existing = await fhir.created(identified(patient(), mrn))
    person = urn()
    response = await fhir.post(
        "/",
        transaction(
            create(observation(person)),
            create(identified(patient(gender="male"), mrn), person, ifNoneExist=by(mrn)),
        ),
    )
    assert statuses(response) == ["201", "200"]
    made, matched = names(response)
    assert matched == f"Patient/{existing['id']}"
    assert (await fhir.get(f"/{made}")).json()["subject"]["reference"] == matched
    assert (await fhir.get(f"/{matched}")).json() == existing


async def test_a_conditional_create_that_matched_nothing_creates(fhir: Fhir, mrn: str) -> None:
    bundle = transaction(create(identified(patient(), mrn), urn(), ifNoneExist=by(mrn)))
    assert statuses(await fhir.post("/", bundle)) == ["201"]
    assert statuses(await fhir.post("/", bundle)) == ["200"]
    assert await total(fhir, f"Patient?{by(mrn)}") == 1


async def test_conditional_creates_in_parallel_transactions_make_one(fhir: Fhir, mrn: str) -> None:
    def bundle() -> Json:
        person = urn()
        return transaction(create(identified(patient(), mrn), person, ifNoneExist=by(mrn)), create(observation(person)))

    answers = await asyncio.gather(*(fhir.post("/", bundle()) for _ in range(6)))
    assert sorted(statuses(a)[0] for a in answers) == ["200"] * 5 + ["201"]
    assert len({names(a)[0] for a in answers}) == 1
    assert await total(fhir, f"Observation?patient={names(answers[0])[0]}") == 6


async def test_conditional_updates_patches_and_deletes_in_a_transaction(fhir: Fhir, mrn: str) -> None:
    changed, gone = f"{mrn}-changed", f"{mrn}-gone"
    one = await fhir.created(identified(patient(), changed))
    two = await fhir.created(identified(patient(), gone))
    person, other = urn(), urn()
    response = await fhir.post(
        "/",
        transaction(
            entry("PUT", f"Patient?{by(changed)}", identified(patient(gender="male"), changed), person),
            entry("PUT", f"Patient?{by(mrn)}", identified(patient(), mrn), other),
            entry("DELETE", f"Patient?{by(gone)}"),
            entry("DELETE", f"Patient?{by(mrn + '-never')}"),
            create(observation(person)),
            create(observation(other)),
        ),
    )
    assert statuses(response) == ["200", "201", "204", "204", "201", "201"]
    entries = response.json()["entry"]
    assert entries[0]["response"]["location"] == f"Patient/{one['id']}/_history/2"
    assert (await fhir.get(f"/Patient/{two['id']}")).status_code == 410
    for n, e in ((4, 0), (5, 1)):
        subject = (await fhir.get("/" + entries[n]["response"]["location"])).json()["subject"]["reference"]
        assert subject == entries[e]["response"]["location"].partition("/_history")[0]


async def test_several_matches_undo_all_and_name_the_entry(fhir: Fhir, mrn: str) -> None:
    await fhir.created(identified(patient(), mrn))
    await fhir.created(identified(patient(), mrn))
    other = f"{mrn}-other"
    for conditional in (
        create(identified(patient(), mrn), ifNoneExist=by(mrn)),
        entry("PUT", f"Patient?{by(mrn)}", identified(patient(), mrn)),
        entry("DELETE", f"Patient?{by(mrn)}"),
    ):
        response = await fhir.post("/", transaction(create(identified(patient(), other)), conditional))
        assert_outcome(response, 412, "multiple-matches", "Bundle.entry[1]")
    assert await total(fhir, f"Patient?{by(other)}") == 0


async def test_criteria_that_mean_nothing_are_refused(fhir: Fhir, mrn: str) -> None:
    for wrong in ("", "identifier=", "nonsense=1", "_count=1"):
        response = await fhir.post("/", transaction(create(identified(patient(), mrn), ifNoneExist=wrong)))
        assert response.status_code in (400, 422), wrong
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await fhir.post("/", transaction(entry(method, "Patient", patient())))).status_code == 400
    assert await total(fhir, f"Patient?{by(mrn)}") == 0


async def test_preconditions_count_inside_entries(fhir: Fhir) -> None:
    stored = await fhir.created(patient())
    path = f"Patient/{stored['id']}"
    known = entry("GET", path, ifNoneMatch='W/"1"')
    assert statuses(await fhir.post("/", transaction(known))) == ["304"]
    assert statuses(await fhir.post("/", batch(known))) == ["304"]
    taken = entry("PUT", path, stored, ifNoneMatch="*")
    assert_outcome(await fhir.post("/", transaction(taken)), 412, "conflict", "Bundle.entry[0]")
    assert statuses(await fhir.post("/", batch(taken))) == ["412"]
    stale = entry("DELETE", path, ifMatch='W/"2"')
    assert_outcome(await fhir.post("/", transaction(stale)), 412, "conflict", "Bundle.entry[0]")
    instant = "2099-01-01T00:00:00Z"
    assert statuses(await fhir.post("/", transaction(entry("GET", path, ifModifiedSince=instant)))) == ["304"]
    assert statuses(await fhir.post("/", batch(entry("GET", path, ifModifiedSince=instant)))) == ["304"]


# ---- identities -----------------------------------------------------------------------------------------------------------


async def test_the_same_identity_twice_fails_also_through_criteria(fhir: Fhir, mrn: str) -> None:
    stored = await fhir.created(identified(patient(), mrn))
    path, other = f"Patient/{stored['id']}", f"{mrn}-other"
    put = entry("PUT", path, stored)
    name = urn()
    for first, second in (
        (put, put),
        (put, entry("DELETE", path)),
        (put, entry("PUT", f"Patient?{by(mrn)}", identified(patient(), mrn))),
        (put, entry("DELETE", f"Patient?{by(mrn)}")),
        (put, create(identified(patient(), mrn), ifNoneExist=by(mrn))),
        (
            create(identified(patient(), other), ifNoneExist=by(other)),
            create(identified(patient(), other), ifNoneExist=by(other)),
        ),
    ):
        assert_outcome(await fhir.post("/", transaction(first, second)), 400, "duplicate")
    twice = await fhir.post("/", transaction(create(patient(), name), create(patient(), name)))
    assert twice.status_code in (400, 422)
    assert (await fhir.get(f"/{path}")).json() == stored
    assert await total(fhir, f"Patient?{by(other)}") == 0


# ---- references -----------------------------------------------------------------------------------------------------------


async def test_circular_references_resolve(fhir: Fhir) -> None:
    one, other = urn(), urn()
    response = await fhir.post(
        "/",
        transaction(
            create(encounter(None, partOf={"reference": other}), one),
            create(encounter(None, partOf={"reference": one}), other),
        ),
    )
    first, second = names(response)
    assert (await fhir.get(f"/{first}")).json()["partOf"]["reference"] == second
    assert (await fhir.get(f"/{second}")).json()["partOf"]["reference"] == first


async def test_a_reference_relative_to_a_restful_fullurl_means_that_sibling(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/bundle.html#references"""
    root = "http://elsewhere.example/fhir"
    response = await fhir.post(
        "/",
        transaction(
            create(observation("Patient/1"), f"{root}/Observation/2"),
            create(patient(), f"{root}/Patient/1"),
            create(observation("Patient/1"), urn()),
        ),
    )
    near, person, far = names(response)
    assert (await fhir.get(f"/{near}")).json()["subject"]["reference"] == person
    assert (await fhir.get(f"/{far}")).json()["subject"]["reference"] == "Patient/1"


async def test_a_conditional_reference_finds_what_is_stored(fhir: Fhir, mrn: str) -> None:
    person = await fhir.created(identified(patient(), mrn))
    for reference in (f"Patient?{by(mrn)}", f"{BASE}/Patient?{by(mrn)}"):
        response = await fhir.post("/", transaction(create(observation(reference))))
        stored = (await fhir.get(f"/{names(response)[0]}")).json()
        assert stored["subject"]["reference"] == f"Patient/{person['id']}"
    assert await total(fhir, f"Observation?patient={person['id']}") == 2


async def test_a_conditional_reference_finds_a_sibling_just_created(fhir: Fhir, mrn: str) -> None:
    doctor = f"{mrn}-doctor"
    response = await fhir.post(
        "/",
        transaction(
            create(observation(f"Patient?{by(mrn)}", performer=[{"reference": f"Practitioner?{by(doctor)}"}])),
            create(task() | {"for": {"reference": f"Patient?{by(mrn)}"}}),
            create(identified(practitioner(), doctor)),
            create(identified(patient(generalPractitioner=[{"reference": f"Practitioner?{by(doctor)}"}]), mrn)),
        ),
    )
    made, errand, known, person = names(response)
    stored = (await fhir.get(f"/{made}")).json()
    assert stored["subject"]["reference"] == person
    assert stored["performer"][0]["reference"] == known
    assert (await fhir.get(f"/{errand}")).json()["for"]["reference"] == person
    assert (await fhir.get(f"/{person}")).json()["generalPractitioner"][0]["reference"] == known
    assert await total(fhir, f"Observation?patient={person}") == 1
    assert (await fhir.get(f"/{person}/_history")).json()["entry"][0]["response"]["etag"] == 'W/"1"'


async def test_a_conditional_reference_to_none_or_several_undoes_all(fhir: Fhir, mrn: str) -> None:
    refers = create(observation(f"Patient?{by(mrn)}"))
    before = create(identified(organization(), mrn))
    assert_outcome(await fhir.post("/", transaction(before, refers)), 412, "not-found", "Bundle.entry[1]")
    stored = await fhir.created(identified(patient(), mrn))
    sibling = create(identified(patient(), mrn))
    assert_outcome(
        await fhir.post("/", transaction(before, refers, sibling)), 412, "multiple-matches", "Bundle.entry[1]"
    )
    gone = entry("DELETE", f"Patient/{stored['id']}")
    assert_outcome(await fhir.post("/", transaction(before, refers, gone)), 412, "not-found", "Bundle.entry[1]")
    unknown = create(observation("Patient?nonsense=1"))
    assert (await fhir.post("/", transaction(before, unknown))).status_code == 400
    assert await total(fhir, f"Organization?{by(mrn)}") == 0
    assert await total(fhir, f"Patient?{by(mrn)}") == 1


async def test_outside_a_transaction_a_reference_by_criteria_is_refused(fhir: Fhir, mrn: str) -> None:
    await fhir.created(identified(patient(), mrn))
    for reference in (f"Patient?{by(mrn)}", f"{BASE}/Patient?{by(mrn)}"):
        assert_outcome(await fhir.post("/Observation", observation(reference)), 422, "not-supported")
        assert statuses(await fhir.post("/", batch(create(observation(reference))))) == ["422"]


async def test_criteria_may_name_a_sibling_that_matched(fhir: Fhir, mrn: str) -> None:
    person = urn()
    bundle = transaction(
        create(condition(person, code={"text": "x"}), ifNoneExist=f"patient={person}"),
        create(identified(patient(), mrn), person, ifNoneExist=by(mrn)),
    )
    assert statuses(await fhir.post("/", bundle)) == ["201", "201"]
    again = await fhir.post("/", bundle)
    assert statuses(again) == ["200", "200"]
    assert await total(fhir, f"Condition?patient={names(again)[1]}") == 1


# ---- batch ----------------------------------------------------------------------------------------------------------------


async def test_conditional_entries_of_a_batch(fhir: Fhir, mrn: str) -> None:
    response = await fhir.post(
        "/",
        batch(
            create(identified(patient(), mrn), ifNoneExist=by(mrn)),
            entry("PUT", f"Patient?{by(mrn)}", identified(patient(gender="male"), mrn)),
            entry("GET", f"Patient?{by(mrn)}"),
            entry("GET", "Patient/nobody"),
            entry("GET", "metadata"),
            entry("PUT", "Patient", patient()),
            entry("PATCH", "Patient/nobody", {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}),
        ),
    )
    assert statuses(response) == ["201", "200", "200", "404", "200", "400", "415"]
    found = response.json()["entry"][2]["resource"]
    assert [e["resource"]["gender"] for e in found["entry"]] == ["male"]
    again = await fhir.post("/", batch(create(identified(patient(), mrn), ifNoneExist=by(mrn))))
    assert statuses(again) == ["200"]


async def test_a_url_in_a_batch_may_hold_what_a_url_encodes(fhir: Fhir) -> None:
    stored = await fhir.created(patient(name=[{"family": "欧阳"}]))
    response = await fhir.post("/", batch(entry("GET", f"Patient?family=欧阳&_id={stored['id']}")))
    assert statuses(response) == ["200"]
    assert len(response.json()["entry"][0]["resource"]["entry"]) == 1


# ---- opposite order -------------------------------------------------------------------------------------------------------


async def test_transactions_over_the_same_rows_in_opposite_order_all_count(fhir: Fhir) -> None:
    people = [await fhir.created(patient()) for _ in range(4)]
    puts = [entry("PUT", f"Patient/{p['id']}", p) for p in people]
    bundles = [transaction(*(puts if n % 2 else reversed(puts))) for n in range(10)]
    answers = await asyncio.gather(*(fhir.post("/", bundle) for bundle in bundles))
    done = [a for a in answers if a.status_code == 200]
    assert {a.status_code for a in answers} <= {200, 409}
    assert len(done) >= 8
    for person in people:
        read = (await fhir.get(f"/Patient/{person['id']}")).json()
        assert read["meta"]["versionId"] == str(1 + len(done))


async def test_more_transactions_across_owners_than_connections_all_pass(fhir: Fhir) -> None:
    """Each owner takes a connection of its own while it prepares: none is held meanwhile."""

    def bundle() -> Json:
        person = urn()
        return transaction(
            create(patient(), person), create(care_plan(person)), create(task()), create(observation(person))
        )

    answers = await asyncio.gather(*(fhir.post("/", bundle()) for _ in range(30)))
    assert [a.status_code for a in answers] == [200] * 30


async def test_a_deadlock_is_retried_inside(fhir: Fhir, database_url: str) -> None:
    """Somebody holds the Patient and wants the Basic; the transaction has the Basic and wants the Patient."""
    person = await fhir.created(patient())
    basic = await fhir.created({"resourceType": "Basic", "code": {"text": "x"}})
    puts = [entry("PUT", f"{r['resourceType']}/{r['id']}", r) for r in (basic, person)]
    other = await asyncpg.connect(database_url, server_settings={"deadlock_timeout": "60s"})
    try:
        async with other.transaction():
            await other.execute("SELECT FROM fhir.patient WHERE id = $1 FOR UPDATE", person["id"])
            writer = asyncio.create_task(fhir.post("/", transaction(*puts)))
            await asyncio.sleep(0.3)
            await other.execute("SELECT FROM fhir.basic WHERE id = $1 FOR UPDATE", basic["id"])
        assert statuses(await writer) == ["200", "200"]
    finally:
        await other.close()
    for resource in (person, basic):
        read = (await fhir.get(f"/{resource['resourceType']}/{resource['id']}")).json()
        assert read["meta"]["versionId"] == "2"
