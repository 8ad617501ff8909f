"""Which bed a stay takes, whom it fits, and what the stay was before: docs/adr/0054"""

from datetime import UTC, datetime

import pytest

from services.care.residencies import modes_of, only_ones
from services.records import beds
from tests.builders import coded, encounter, episode_of_care
from tests.house import Json

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
MODE = "https://yiyang.example/fhir/CodeSystem/service-mode"


def place(name: str, **entry: object) -> Json:
    return {"location": {"reference": name}, **entry}


def test_where_somebody_is_now_is_what_has_begun_and_not_ended() -> None:
    stay = encounter(
        "Patient/1",
        location=[
            place("Location/now"),
            place("Location/kept", status="reserved"),
            place("Location/next", status="planned"),
            place("Location/left", status="completed"),
            place("Location/gone", status="active", period={"end": "2026-11-01"}),
        ],
    )
    assert beds.places_of(stay) == ("Location/now", "Location/kept")
    assert beds.places_of(stay | {"status": "finished"}) == ()
    assert beds.places_of(None) == ()


@pytest.mark.parametrize(
    ("code", "nature", "fits"),
    [("IMP", "medical", True), ("IMP", "nursing", False), ("IMP", "", True), ("HH", "elderly-care", True), ("HH", "medical", True)],
)  # fmt: skip
def test_hospital_care_fits_a_medical_bed(code: str, nature: str, fits: bool) -> None:  # noqa: FBT001
    bed = {"extension": [{"url": beds.NATURE_EXTENSION, "valueCode": nature}]} if nature else {}
    assert beds.fits({"class": {"code": code}}, bed) is fits


def test_a_history_begins_where_the_last_one_ended() -> None:
    before = encounter("Patient/1", period={"start": "2026-01-01"}, statusHistory=[])
    left = beds.with_histories(before, before | {"status": "onleave"}, AT)
    assert left["statusHistory"] == [
        {"status": "in-progress", "period": {"start": "2026-01-01", "end": "2026-11-24T09:00:00+00:00"}}
    ]
    back = beds.with_histories(left, left | {"status": "in-progress"}, AT)
    assert back["statusHistory"][1]["period"]["start"] == "2026-11-24T09:00:00+00:00"
    assert beds.with_histories(back, back, AT) == back


def test_a_residency_is_one_of_its_kind() -> None:
    episode = episode_of_care("Patient/1", type=[coded(MODE, "residential"), coded("urn:other", "hospice")])
    assert modes_of(episode) == {"residential"}
    assert only_ones(episode) == {"residency:Patient/1"}
    assert only_ones(episode | {"status": "onhold"}) == {"residency:Patient/1"}
    assert only_ones(episode | {"status": "finished"}) == frozenset()
    assert only_ones(episode | {"type": [coded(MODE, "home-bed")]}) == {"home-bed:Patient/1"}
    assert only_ones(episode | {"type": [coded(MODE, "family-doctor")]}) == frozenset()
