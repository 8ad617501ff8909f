"""Pages of a search: http://hl7.org/fhir/R4/http.html#paging: no row twice, none missed, under concurrent writes"""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.builders import observation, patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.shelf import Json, Shelf, link, pages

SORTS = (
    "",
    "_sort=_id",
    "_sort=-_id",
    "_sort=_lastUpdated",
    "_sort=birthdate",
    "_sort=-birthdate",
    "_sort=family",
    "_sort=-family",
    "_sort=gender,-birthdate,family",
    "_sort=-_lastUpdated,birthdate",
)


@pytest.fixture
async def crowd(shelf: Shelf) -> Shelf:
    """Patients with many equal and many missing values."""
    await shelf.put(
        **{
            f"p{n}": patient(
                birthDate=f"19{30 + n % 3}" if n % 4 else None,
                name=[{"family": f"f{n % 2}"}, {"family": f"g{n % 5}"}] if n % 3 else None,
                gender=("male", "female", None)[n % 3],
            )
            for n in range(17)
        }
    )
    return shelf


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("count", [1, 4, 17])
async def test_the_pages_of_every_sort_are_the_whole_in_its_order(crowd: Shelf, sort: str, count: int) -> None:
    """http://hl7.org/fhir/R4/search.html#sort: stable under ties and missing values."""
    whole = await crowd.listed("Patient", f"{sort}&_count=100".lstrip("&"))
    read = await pages(crowd.fhir, crowd.path("Patient", f"{sort}&_count={count}".lstrip("&")))
    assert [len(page["entry"]) for page in read] == [count] * (17 // count) + ([17 % count] if 17 % count else [])
    assert [name for page in read for name in crowd.names(page)] == whole
    assert len({*whole}) == 17


@pytest.mark.parametrize("sort", SORTS)
async def test_writes_between_pages_repeat_and_hide_nothing(crowd: Shelf, sort: str) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: what was there all the time comes exactly once."""
    seen: list[str] = []
    following: str | None = crowd.path("Patient", f"{sort}&_count=3".lstrip("&"))
    doomed = [f"p{n}" for n in range(0, 17, 4)]
    while following:
        page: Json = (await crowd.fhir.get(following)).json()
        seen += crowd.names(page)
        following = link(page, "next")
        if doomed:
            await crowd.fhir.delete(f"/{crowd.reference(doomed.pop())}")
        await crowd.fhir.created(crowd.tagged(patient(birthDate="1931", name=[{"family": "f0"}], gender="male")))
    steady = {f"p{n}" for n in range(17) if n % 4}
    assert len(seen) == len({*seen})
    assert steady <= {*seen}


async def test_a_page_within_one_patient_is_stable_too(shelf: Shelf, fhir: Fhir) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: also by the statement that walks one patient's index."""
    person = (await fhir.created(patient()))["id"]
    await shelf.put(
        **{f"o{n}": observation(f"Patient/{person}", effectiveDateTime=f"2024-05-{1 + n % 3:02}") for n in range(8)}
    )
    for sort in ("", "&_sort=date", "&_sort=-date", "&_sort=code,-date"):
        read = await pages(fhir, f"/Observation?patient={person}&_count=3{sort}")
        assert sorted(name for page in read for name in shelf.names(page)) == sorted(shelf.stored)


async def test_a_changed_page_size_goes_on_at_the_same_place(crowd: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: a link is opaque, its count is not the place."""
    first = await crowd.search("Patient", "_sort=birthdate&_count=5")
    following = str(link(first, "next")).replace("_count=5", "_count=50")
    rest = (await crowd.fhir.get(following)).json()
    assert [*crowd.names(first), *crowd.names(rest)] == await crowd.listed("Patient", "_sort=birthdate")


async def test_a_forged_cursor_is_refused(crowd: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: a link is the server's own; changed, or of another search, it is 400 [ours]."""
    following = str(link(await crowd.search("Patient", "_sort=birthdate&_count=2"), "next"))
    cursor = parse_qs(urlsplit(following).query)["_cursor"][0]
    sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    changed = base64.urlsafe_b64encode(sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]).decode()
    cut = base64.urlsafe_b64encode(sealed[:20]).decode()
    for forged in (
        "x",
        "AAAA",
        "%00",
        "%F0%9F%91%A9",
        "é".encode("latin-1").hex(),
        changed,
        cut,
        cursor[:-2],
        cursor + "A",
        cursor.swapcase(),
        "[]",
        "' OR 1=1",
        "A" * 5000,
    ):
        answer = await crowd.fhir.get(crowd.path("Patient", f"_sort=birthdate&_count=2&_cursor={forged}"))
        assert_outcome(answer, 400, "value")
    for other in ("_sort=-birthdate", "_sort=birthdate&gender=male", "", "_sort=birthdate,_id"):
        answer = await crowd.fhir.get(crowd.path("Patient", f"{other}&_cursor={cursor}".lstrip("&")))
        assert_outcome(answer, 400, "value")
    assert_outcome(await crowd.fhir.get(f"/Person?_sort=birthdate&_cursor={cursor}"), 400, "value")


async def test_the_last_page_and_an_exact_page_have_no_next(crowd: Shelf) -> None:
    """http://hl7.org/fhir/R4/http.html#paging: `next` only where more follows."""
    assert link(await crowd.search("Patient", "_count=17"), "next") is None
    assert link(await crowd.search("Patient", "_count=16"), "next") is not None
    assert link(await crowd.search("Patient", "gender=other"), "next") is None
