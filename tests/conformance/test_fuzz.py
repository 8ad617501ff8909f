"""Whatever comes in, the answer is a clear one: http://hl7.org/fhir/R4/http.html#Status-Codes"""

from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import create, patient, transaction, urn
from tests.conformance.mutations import FIELDS, TYPES, bent_queries, bent_resources
from tests.house import Fhir, Response

FORM: Final = "application/x-www-form-urlencoded"
bounded = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def assert_clear(answer: Response) -> None:
    """No failure of the server, and an OperationOutcome for each of the client's."""
    assert answer.status_code < 500, answer.text[:3000]
    if answer.status_code >= 400:
        assert answer.headers["content-type"].startswith("application/fhir+json")
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["diagnostics"]


@bounded
@given(bent=bent_resources(), update=st.booleans())
async def test_a_bent_resource_is_stored_or_refused(fhir: Fhir, bent: tuple[str, bytes], update: bool) -> None:  # noqa: FBT001
    """http://hl7.org/fhir/R4/http.html#create and #update"""
    resource_type, body = bent
    method, path = ("PUT", f"/{resource_type}/bent") if update else ("POST", f"/{resource_type}")
    answer = await fhir.call(method, path, body)
    assert_clear(answer)
    if answer.status_code < 300 and answer.content:
        read = await fhir.get(f"/{resource_type}/{answer.json()['id']}")
        assert read.content == answer.content


@bounded
@given(bent=st.lists(bent_resources(), min_size=1, max_size=3), kind=st.sampled_from(["transaction", "batch"]))
async def test_a_bent_bundle_is_processed_or_refused(fhir: Fhir, bent: list[tuple[str, bytes]], kind: str) -> None:
    """http://hl7.org/fhir/R4/http.html#transaction"""
    entries = ",".join(
        f'{{"fullUrl":"{urn()}","resource":{body.decode("latin-1")},"request":{{"method":"POST","url":"{name}"}}}}'
        for name, body in bent
    )
    whole = f'{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}'
    answer = await fhir.post("/", whole.encode("latin-1"))
    assert_clear(answer)
    if answer.status_code == 200:
        assert all(e["response"]["status"] < "500" for e in answer.json()["entry"]), answer.text


@bounded
@given(bent=bent_queries(), post=st.booleans())
async def test_a_bent_search_finds_or_is_refused(fhir: Fhir, bent: tuple[str, str], post: bool) -> None:  # noqa: FBT001
    """http://hl7.org/fhir/R4/search.html#errors"""
    resource_type, query = bent
    if post:
        answer = await fhir.post(f"/{resource_type}/_search", query.encode(), content_type=FORM)
    else:
        answer = await fhir.get(f"/{resource_type}?{query}")
    assert_clear(answer)
    entry = {"request": {"method": "GET", "url": f"{resource_type}?{query}"}}
    inside = await fhir.post("/", transaction(entry, create(patient(), urn())))
    assert_clear(inside)


@bounded
@given(
    bent=bent_queries(),
    place=st.sampled_from(
        [
            "",
            "/1",
            "/1/_history",
            "/_history",
            "/%2e%2e",
            "/1/_history/99999999999999999999",
            "/%E7%8E%8B",
            "/%00",
            "/_search",
            "/$everything",
            "/1/$everything",
            "/$validate",
            "/$meta",
            "/1/$meta-add",
            "/$expand",
            "/$lookup",
            "/$nonsense",
            "/1/Observation",
            "/1/*",
        ]
    ),
    method=st.sampled_from(["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "OPTIONS", "BREW"]),
)
async def test_a_bent_url_is_answered(fhir: Fhir, bent: tuple[str, str], place: str, method: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-15"""
    resource_type, query = bent
    answer = await fhir.call(method, f"/{resource_type}{place}?{query}")
    assert answer.status_code < 500, answer.text[:3000]
    if method != "HEAD":
        assert_clear(answer)


@bounded
@given(name=TYPES, fields=FIELDS, method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]))
async def test_odd_headers_are_understood_or_refused(
    fhir: Fhir, name: str, fields: dict[str, str], method: str
) -> None:
    """https://www.rfc-editor.org/rfc/rfc9110#section-5"""
    body = {"resourceType": "Patient", "id": "odd"} if method in ("PUT", "POST") else b""
    path = {"GET": f"/{name}/odd", "POST": "/Patient"}.get(method, "/Patient/odd")
    assert_clear(await fhir.call(method, path, body, **fields))
    assert_clear(await fhir.call("GET", f"/{name}", b"", **fields))
