"""Batches and transactions: http://hl7.org/fhir/R4/http.html#transaction"""

import json
from typing import Any

import pytest

from services.fhir.served import ServedType
from services.fhir.validation import parse, validate
from tests.builders import batch, care_plan, create, entry, observation, patient, task, transaction, urn
from tests.conformance.served import SERVED, each_type
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.minimal import minimal
from tests.shelf import Json, Shelf


def statuses(answer: Any) -> list[str]:
    return [e["response"]["status"][:3] for e in answer.json()["entry"]]


async def one(fhir: Fhir) -> Json:
    return await fhir.created(patient())


async def test_one_resource_of_every_type_is_written_across_all_owners_at_once(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction: one commit; answered entry by entry in the order sent."""
    entries = [create(minimal(served.type), urn()) for served in SERVED]
    answer = await fhir.post("/", transaction(*entries))
    assert answer.status_code == 200, answer.text
    validate(parse(answer.content, "Bundle"))
    bundle = answer.json()
    assert bundle["type"] == "transaction-response"
    places = [e["response"]["location"] for e in bundle["entry"]]
    assert [place.partition("/")[0] for place in places] == [served.type for served in SERVED]
    assert {*statuses(answer)} == {"201"}
    for place, response in zip(places[::29], bundle["entry"][::29], strict=True):
        stored = await fhir.get(f"/{place.partition('/_history')[0]}")
        assert stored.headers["etag"] == response["response"]["etag"]
        assert stored.json()["meta"]["lastUpdated"] == response["response"]["lastModified"]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_entries_are_processed_delete_post_put_get_and_answered_as_sent(fhir: Fhir, kind: str) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: DELETE, POST, PUT, GET, whatever the order in the bundle."""
    doomed, changed = await one(fhir), await one(fhir)
    sent = [
        entry("GET", f"Patient/{changed['id']}"),
        entry("PUT", f"Patient/{changed['id']}", changed | {"gender": "other"}),
        create(patient(gender="male")),
        entry("DELETE", f"Patient/{doomed['id']}"),
        entry("HEAD", f"Patient/{changed['id']}"),
        entry("GET", f"Patient?_id={doomed['id']},{changed['id']}"),
    ]
    answer = await fhir.post("/", transaction(*sent, kind=kind))
    assert statuses(answer) == ["200", "200", "201", "204", "200", "200"]
    read, _, _, _, head, found = answer.json()["entry"]
    assert read["resource"]["gender"] == "other"
    assert "resource" not in head
    assert [e["resource"]["id"] for e in found["resource"]["entry"]] == [changed["id"]]


async def test_full_urls_become_the_new_ids_wherever_a_link_stands(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: in references, uri, url, oid and uuid elements and narratives, not in canonicals."""
    person, order, plan = urn(), urn(), urn()
    narrative = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{person}">王</a></div>'
    linked = care_plan(
        person,
        basedOn=[{"reference": plan}],
        activity=[{"reference": {"reference": order}}],
        instantiatesUri=[person, f"{person}#x"],
        instantiatesCanonical=[person],
        text={"status": "generated", "div": narrative},
        extension=[
            {"url": "http://example.org/e", "valueUrl": person},
            {"url": "http://example.org/s", "valueString": person},
        ],
        contained=[{"resourceType": "Observation", "id": "o", **observation(person)}],
        supportingInfo=[{"reference": "#o"}],
        identifier=[{"system": "urn:ietf:rfc:3986", "value": person}],
    )
    answer = await fhir.post(
        "/", transaction(create(linked, plan), create(task(plan), order), create(patient(), person))
    )
    assert statuses(answer) == ["201"] * 3, answer.text
    places = [e["response"]["location"].partition("/_history")[0] for e in answer.json()["entry"]]
    stored = (await fhir.get(f"/{places[0]}")).json()
    new = places[2]
    assert stored["subject"]["reference"] == new
    assert stored["basedOn"] == [{"reference": places[0]}]
    assert stored["activity"] == [{"reference": {"reference": places[1]}}]
    assert (stored["instantiatesUri"], stored["instantiatesCanonical"]) == ([new, f"{new}#x"], [person])
    assert stored["text"]["div"] == narrative.replace(person, new)
    assert [e.get("valueUrl") or e["valueString"] for e in stored["extension"]] == [new, person]
    assert stored["contained"][0]["subject"]["reference"] == new
    assert stored["identifier"][0]["value"] == person
    assert (await fhir.get(f"/{places[1]}")).json()["focus"]["reference"] == places[0]


async def test_a_full_url_of_an_update_and_an_absolute_one_resolve_too(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/bundle.html#references"""
    known, absolute = urn(), "http://elsewhere.example.org/fhir/Patient/99"
    stored = await one(fhir)
    put = entry("PUT", f"Patient/{stored['id']}", stored, known)
    sent = transaction(create(observation(known)), put, create(observation(absolute)), create(patient(), absolute))
    answer = await fhir.post("/", sent)
    places = [e["response"]["location"].partition("/_history")[0] for e in answer.json()["entry"]]
    assert (await fhir.get(f"/{places[0]}")).json()["subject"]["reference"] == f"Patient/{stored['id']}"
    assert (await fhir.get(f"/{places[2]}")).json()["subject"]["reference"] == places[3]


@each_type
async def test_one_bad_entry_undoes_all_and_is_named(fhir: Fhir, served: ServedType) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction: all or nothing; the failure is one OperationOutcome, not a Bundle."""
    recorded = (
        f"/{served.type}?_profile:missing=true&_summary=count"  # of AuditEvents, those that nobody's looking makes
    )
    before = (await fhir.get(recorded)).json()["total"]
    bad = minimal(served.type) | {"noSuchElement": 1}
    answer = await fhir.post("/", transaction(create(minimal(served.type)), create(minimal("Basic")), create(bad)))
    assert_outcome(answer, 400, "structure", "Bundle.entry[2].resource.noSuchElement")
    assert (await fhir.get(recorded)).json()["total"] == before


FAILING: dict[str, tuple[Json, int, str]] = {
    "an unknown id": (entry("GET", "Patient/never-was"), 404, "not-found"),
    "an unknown type": (entry("POST", "NoSuchType", patient()), 404, "not-supported"),
    "another type than the URL": (entry("POST", "Observation", patient()), 400, "invalid"),
    "no resource": (entry("POST", "Patient"), 400, "required"),
    "an id in the URL of a create": (entry("POST", "Patient/1", patient()), 400, "value"),
    "no id in the URL of an update": (entry("PUT", "Patient", patient()), 400, "value"),
    "another id than the URL": (entry("PUT", "Patient/1", patient(id="2")), 400, "value"),
    "a stale version": (entry("PUT", "Patient/never-was", patient(id="never-was"), ifMatch='W/"1"'), 412, "conflict"),
    "a malformed version": (entry("DELETE", "Patient/never-was", ifMatch="1"), 400, "value"),
    "no request": ({"resource": patient()}, 400, "required"),
    "a search that is wrong": (entry("GET", "Patient?gender:wrong=x"), 400, "not-supported"),
}


@pytest.mark.parametrize("name", FAILING)
async def test_a_failing_entry_fails_the_transaction_whatever_it_is(shelf: Shelf, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction"""
    failing, status, code = FAILING[name]
    answer = await shelf.fhir.post("/", transaction(create(shelf.tagged(patient())), failing))
    outcome = assert_outcome(answer, status, code)
    assert outcome["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert await shelf.found("Patient") == set()


@pytest.mark.parametrize("name", FAILING)
async def test_a_failing_entry_of_a_batch_fails_alone(shelf: Shelf, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#batch: each entry its own status, and an outcome where it failed."""
    failing, status, code = FAILING[name]
    answer = await shelf.fhir.post(
        "/", batch(create(shelf.tagged(patient())), failing, entry("GET", "Patient?_count=1"))
    )
    validate(parse(answer.content, "Bundle"))
    assert (answer.status_code, answer.json()["type"]) == (200, "batch-response")
    assert statuses(answer) == ["201", str(status), "200"], answer.text
    outcome = answer.json()["entry"][1]["response"]["outcome"]
    assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", code)
    assert len(await shelf.listed("Patient")) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_the_same_identity_twice_fails(fhir: Fhir, method: str) -> None:
    """http://hl7.org/fhir/R4/http.html#trules: no resource may be written by two entries, no fullUrl be used twice."""
    stored = await one(fhir)
    path = f"Patient/{stored['id']}"
    put, other = entry("PUT", path, stored), entry(method, path, stored if method == "PUT" else None)
    assert_outcome(await fhir.post("/", transaction(put, other)), 400, "duplicate")
    same = urn()
    refused = await fhir.post("/", transaction(create(patient(), same), create(patient(), same)))
    assert refused.status_code in (400, 422), refused.text
    assert refused.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert (await fhir.get(f"/{path}")).json()["meta"]["versionId"] == "1"


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_conditions_of_entries_count(fhir: Fhir, kind: str) -> None:
    """http://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request.ifMatch and ifNoneMatch"""
    stored = await one(fhir)
    path = f"Patient/{stored['id']}"
    put = entry("PUT", path, stored, ifMatch='W/"1"')
    assert statuses(await fhir.post("/", transaction(put, kind=kind))) == ["200"]
    assert statuses(await fhir.post("/", transaction(entry("GET", path, ifNoneMatch='W/"2"'), kind=kind))) == ["304"]
    stale = await fhir.post("/", transaction(put, kind=kind))
    if kind == "batch":
        assert statuses(stale) == ["412"]
    else:
        assert_outcome(stale, 412, "conflict", "Bundle.entry[0]")
    assert (await fhir.get(f"/{path}")).json()["meta"]["versionId"] == "2"


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_reads_of_every_kind_work_inside(fhir: Fhir, kind: str) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction: read, vread, search and history; URLs relative, absolute or with a slash."""
    stored = await one(fhir)
    path = f"Patient/{stored['id']}"
    await fhir.put(f"/{path}", stored)
    urls = (
        path,
        f"{path}/_history/1",
        f"{path}/_history",
        "Patient/_history?_count=1",
        f"Patient?_id={stored['id']}",
        f"{BASE}/{path}",
        f"/{path}",
        f"Patient/?_id={stored['id']}",
        "Patient?name=%E7%8E%8B",
    )
    answer = await fhir.post("/", transaction(*[entry("GET", url) for url in urls], kind=kind))
    assert answer.status_code == 200, answer.text
    assert statuses(answer) == ["200"] * len(urls), answer.text
    resources = [e["resource"] for e in answer.json()["entry"]]
    assert [r["resourceType"] for r in resources] == [
        "Patient",
        "Patient",
        "Bundle",
        "Bundle",
        "Bundle",
        "Patient",
        "Patient",
        "Bundle",
        "Bundle",
    ]
    assert (resources[0]["meta"]["versionId"], resources[1]["meta"]["versionId"]) == ("2", "1")


async def test_the_resources_of_a_transaction_come_back_when_preferred(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#return"""
    whole = (await fhir.post("/", transaction(create(patient(gender="male"))), prefer="return=representation")).json()
    assert whole["entry"][0]["resource"]["gender"] == "male"
    least = (await fhir.post("/", transaction(create(patient())), prefer="return=minimal")).json()
    assert "resource" not in least["entry"][0]


async def test_an_empty_bundle_is_fine_and_another_type_is_refused_whole(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction: the type is batch or transaction."""
    for kind in ("transaction", "batch"):
        answer = await fhir.post("/", {"resourceType": "Bundle", "type": kind})
        assert (answer.status_code, answer.json()["type"]) == (200, f"{kind}-response")
        validate(parse(answer.content, "Bundle"))
    for kind in ("collection", "document", "message", "history", "searchset", "batch-response", "transaction-response"):
        answer = await fhir.post("/", transaction(create(patient()), kind=kind))
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert_outcome(
        await fhir.post("/", {"resourceType": "Bundle", "type": "nonsense"}), 422, "code-invalid", "Bundle.type"
    )
    assert_outcome(await fhir.post("/", {"resourceType": "Bundle"}), 422, "required", "Bundle.type")
    assert_outcome(await fhir.post("/", patient()), 400, "invalid", "resourceType")


BROKEN: dict[str, Any] = {
    "a resource that is null": create(patient()) | {"resource": None},
    "a resource that is a list": create(patient()) | {"resource": [patient()]},
    "a resource that is text": create(patient()) | {"resource": "Patient"},
    "a resource without a type": create(patient()) | {"resource": {"gender": "male"}},
    "a resource of no type": create(patient()) | {"resource": {"resourceType": ["Patient"]}},
    "a reference that is text": create(observation() | {"subject": "Patient/1"}),
    "a reference that is a list": create(observation() | {"subject": [{"reference": urn()}]}),
    "a reference that is a number": create(observation() | {"subject": {"reference": 1}}),
    "lists in lists": create(
        observation() | {"category": [[urn(), [urn()]], {"coding": [[{"system": "urn:uuid:x"}]]}]}
    ),
    "links in unknown elements": create(observation() | {"nonsense": {"reference": urn(), "deep": [urn()]}}),
    "an unknown type within": create(observation() | {"contained": [{"resourceType": "X", "reference": urn()}]}),
    "a URL that is none": entry("POST", "http://[", patient()),
    "a URL with a fragment": entry("PUT", "Patient/1#x", patient(id="1")),
    "a URL of spaces": entry("GET", "  "),
    "a URL out of the base": entry("GET", "../internal/served"),
    "a URL elsewhere": entry("GET", "http://elsewhere.example.org/Patient/1"),
    "a URL with odd signs": entry("GET", "Patient/ä?%ff=%00&name=王"),
    "a URL of slashes": entry("GET", "////"),
    "an id with a zero byte": entry("DELETE", "Patient/%00"),
    "a query with a zero byte": entry("GET", "Patient?name=%00"),
    "a condition with odd signs": entry("DELETE", "Patient/1", ifMatch='W/"王"'),
    "a bundle in a bundle": create(transaction(create(patient()))),
    "a full URL that is a number": create(patient()) | {"fullUrl": 1},
    "a narrative of open tags": create(patient(text={"status": "generated", "div": "<a href " * 50_000})),
    "an entry that is null": None,
    "an entry that is empty": {},
    "a method that is none": create(patient()) | {"request": {"method": "BREW", "url": "Patient"}},
}


@pytest.mark.parametrize("kind", ["transaction", "batch"])
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_entry_is_an_outcome_and_never_a_failure_of_the_server(fhir: Fhir, kind: str, name: str) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes: what is wrong with the request is a 4xx."""
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [create(patient(), urn()), BROKEN[name]]}
    answer = await fhir.post("/", json.dumps(bundle, ensure_ascii=False).encode())
    assert answer.status_code < 500, answer.text
    validate(parse(answer.content, None))
    if answer.status_code == 200:
        assert all(status < "500" for status in statuses(answer)), answer.text


async def test_a_bundle_has_a_largest_number_of_entries(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction: a bounded server says so [ours]."""
    bundle = transaction(*[entry("GET", "Patient/1")] * 5001)
    assert_outcome(await fhir.post("/", bundle), 400, "too-costly", "Bundle.entry")
