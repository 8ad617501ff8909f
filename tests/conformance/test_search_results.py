"""What a search answers: http://hl7.org/fhir/R4/search.html#return and http://hl7.org/fhir/R4/bundle.html"""

from typing import Any
from urllib.parse import quote

import pytest

from services.fhir.validation import parse, validate
from tests.builders import create, observation, patient, transaction
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome
from tests.shelf import Shelf, link


async def test_a_searchset_is_a_valid_bundle(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/bundle.html#searchset: fullUrl, resource and search.mode of each entry."""
    await shelf.put(one=patient(), two=patient())
    for query in ("", "_total=accurate", "_count=1", "nonsense=1", "_summary=count", "_include=Patient:organization"):
        answer = await shelf.fhir.get(shelf.path("Patient", query))
        bundle = parse(answer.content, "Bundle")
        validate(bundle)
        assert bundle["type"] == "searchset"
        for entry in bundle.get("entry", ()):
            if entry["search"]["mode"] != "outcome":
                assert entry["fullUrl"] == f"{BASE}/Patient/{entry['resource']['id']}"


@pytest.mark.parametrize(
    "query",
    [
        "_count=0",
        "_summary=count",
        "_count=0&_summary=count",
        "_summary=count&_sort=name&_include=Patient:organization",
    ],
)
async def test_a_count_has_a_total_and_no_entries(shelf: Shelf, query: str) -> None:
    """http://hl7.org/fhir/R4/search.html#count: `_count=0` is treated as `_summary=count`."""
    await shelf.put(a=patient(gender="male"), b=patient(gender="male"), c=patient(gender="female"))
    for criteria, total in (("", 3), ("gender=male", 2), ("gender=other", 0)):
        bundle = await shelf.search("Patient", f"{query}&{criteria}".rstrip("&"))
        assert (bundle["total"], "entry" in bundle) == (total, False)


async def test_a_total_counts_matches_only_and_all_of_them(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#total: not the included ones, not this page's."""
    await shelf.put(**{f"p{n}": patient(generalPractitioner=[{"reference": "Organization/none"}]) for n in range(5)})
    for total in ("accurate", "estimate"):
        bundle = await shelf.search("Patient", f"_total={total}&_count=2&_include=Patient:general-practitioner")
        assert (bundle["total"], len(bundle["entry"])) == (5, 2)
    assert "total" not in await shelf.search("Patient", "_total=none")


async def test_a_deleted_resource_is_not_found_and_a_new_one_at_once(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#delete: it no longer appears in searches; and what was written is there."""
    await shelf.put(a=patient(), b=patient())
    assert await shelf.found("Patient") == {"a", "b"}
    await shelf.fhir.delete(f"/{shelf.reference('a')}")
    assert await shelf.found("Patient") == {"b"}
    assert (await shelf.search("Patient", "_summary=count"))["total"] == 1
    await shelf.fhir.put(f"/{shelf.reference('b')}", shelf.stored["b"] | {"gender": "male"})
    assert await shelf.found("Patient", "gender=male") == {"b"}
    assert await shelf.found("Patient", "gender:missing=true") == set()


async def test_an_unknown_parameter_is_refused_when_strict_and_told_when_lenient(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/search.html#errors and #mischeck: `Prefer: handling`."""
    await shelf.put(one=patient(gender="male"))
    path = shelf.path("Patient", "nonsense=x&gender=male")
    assert_outcome(await shelf.fhir.get(path, prefer="handling=strict"), 400, "not-supported")
    for prefer in ("handling=lenient", ""):
        bundle = (await shelf.fhir.get(path, prefer=prefer)).json()
        assert shelf.names(bundle) == ["one"]
        assert "nonsense" not in str(link(bundle, "self"))
        (outcome,) = [e["resource"] for e in bundle["entry"] if e["search"]["mode"] == "outcome"]
        assert outcome["resourceType"] == "OperationOutcome"
        assert "nonsense" in outcome["issue"][0]["diagnostics"]
        assert outcome["issue"][0]["severity"] in ("warning", "information")


@pytest.mark.parametrize(
    "query",
    [
        "gender:wrong=x",
        "nonsense:exact=x",
        "_count=x",
        "_count=-1",
        "_sort=nonsense",
        "_total=some",
        "_summary=some",
        "_include=x",
        "_cursor=x",
        "_count=1&_count=2",
    ],
)
async def test_what_is_wrong_is_refused_even_when_lenient(shelf: Shelf, query: str) -> None:
    """http://hl7.org/fhir/R4/search.html#errors: what cannot be understood is an error."""
    answer = await shelf.fhir.get(shelf.path("Patient", query), prefer="handling=lenient")
    if query.startswith("nonsense"):
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("sent", "used"),
    [
        ("gender=male", "gender=male"),
        ("name=%E7%8E%8B", "name=%E7%8E%8B"),
        ("name=a+b%26c%3Dd", "name=a%20b%26c%3Dd"),
        ("birthdate=ge2024-05-01T08:00:00%2B08:00", "birthdate=ge2024-05-01T08:00:00%2B08:00"),
        ("identifier=http://a.b/c|1,2", "identifier=http://a.b/c|1,2"),
        ("name=&gender=male", "gender=male"),
        ("gender=male&gender=female&nonsense=1", "gender=male&gender=female"),
        ("_sort=-birthdate,name&_count=3", "_sort=-birthdate,name&_count=3"),
    ],
)
async def test_the_self_link_lists_what_was_used_encoded_with_the_public_base(fhir: Fhir, sent: str, used: str) -> None:
    """http://hl7.org/fhir/R4/search.html#conformance: the self link tells what the server did with the parameters."""
    bundle = (await fhir.get(f"/Patient?{sent}")).json()
    own = link(bundle, "self")
    assert own == f"/Patient?{used}"
    assert (await fhir.get(own)).json()["link"][0] == bundle["link"][0]


async def test_post_search_takes_parameters_from_body_and_url_together(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#search: those of both count; Chinese text form-encoded."""
    await shelf.put(
        wang=patient(name=[{"text": "王秀英"}], gender="female"), li=patient(name=[{"text": "李秀英"}], gender="female")
    )
    form: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded"}
    for body in (
        f"name={quote('王')}",
        f"name:contains={quote('王秀')}",
        f"name={quote('王')}&gender=female",
        "name=王",
    ):
        answer = await shelf.fhir.post(shelf.path("Patient").replace("?", "/_search?"), body.encode(), **form)
        assert shelf.names(answer.json()) == ["wang"], body
    whole = f"_tag={shelf.tag['code']}&_sort=name".encode()
    assert shelf.names((await shelf.fhir.post("/Patient/_search", whole, **form)).json()) == ["li", "wang"]
    assert shelf.names(
        (await shelf.fhir.post("/Patient/_search", whole, content_type=form["content_type"] + "; charset=UTF-8")).json()
    ) == ["li", "wang"]
    assert (await shelf.fhir.post("/Patient/_search", b"")).status_code == 200


async def test_the_links_of_a_post_search_can_be_followed_with_get(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#paging"""
    await shelf.put(**{f"p{n}": patient(name=[{"text": f"王{n}"}]) for n in range(3)})
    body = f"_tag={shelf.tag['code']}&name={quote('王')}&_count=2&_sort=name".encode()
    first = (await shelf.fhir.post("/Patient/_search", body, content_type="application/x-www-form-urlencoded")).json()
    second = (await shelf.fhir.get(str(link(first, "next")))).json()
    assert [*shelf.names(first), *shelf.names(second)] == ["p0", "p1", "p2"]
    assert link(second, "next") is None


async def test_post_search_refuses_another_body(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#search: application/x-www-form-urlencoded."""
    assert_outcome(await fhir.post("/Patient/_search", {"name": "x"}), 415, "not-supported")
    answer = await fhir.post("/Patient/_search", b"name=%FF", content_type="application/x-www-form-urlencoded")
    assert_outcome(answer, 400, "invalid")


async def test_more_of_anything_than_is_served_is_refused_clearly(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#Status-Codes: a bounded server says so."""
    many = ",".join(f"{year}-01-01" for year in range(1900, 2100))
    for query in (
        "&".join(["gender=male"] * 101),
        "&".join(["x=1"] * 501),
        f"birthdate={many},2100",
        "&".join([f"birthdate={many}"] * 90),
        "_sort=" + ",".join(["birthdate", "-family", "gender"] * 700),
    ):
        answer = await fhir.post("/Patient/_search", query.encode(), content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 400, answer.text
    assert (await fhir.get(f"/Patient?birthdate={many}")).status_code == 200


async def test_a_page_has_a_largest_size(fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/search.html#count: the server may return fewer, and says how many it used."""
    assert link((await fhir.get("/Patient?_count=1000000")).json(), "self") == "/Patient?_count=1000"


async def test_search_finds_what_a_transaction_wrote_as_a_whole(shelf: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction"""
    entries = [create(shelf.tagged(observation())) for _ in range(30)]
    assert (await shelf.fhir.post("/", transaction(*entries))).status_code == 200
    assert (await shelf.search("Observation", "_summary=count"))["total"] == 30
