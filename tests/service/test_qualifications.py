"""Staff whose qualification has ended perform no care: by whatever way the resource comes (http://hl7.org/fhir/R4/practitioner.html)."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.fhir.definitions import type_definition
from services.fhir.interactions.qualified import PERFORMERS
from tests.builders import CHINA, coded, create, entry, observation, practitioner, transaction
from tests.house import BASE, Fhir
from tests.matchers import assert_outcome

Json = dict[str, Any]
TODAY = datetime.now(CHINA).date()
ELDER = "Patient/elder-of-qualified-staff"


async def staff(fhir: Fhir, *ends: str | None) -> str:
    """A practitioner with a qualification for each, which ends on that day."""
    code = coded("https://yiyang.example/fhir/CodeSystem/staff-role", "nurse")
    held = [{"code": code, **({"period": {"end": end}} if end else {})} for end in ends]
    made = await fhir.created(practitioner(**({"qualification": held} if held else {})))
    return f"Practitioner/{made['id']}"


def seen(by: str, **changes: Any) -> Json:
    return observation(ELDER, performer=[{"reference": by}], **{"effectiveDateTime": TODAY.isoformat()} | changes)


def day(ahead: int) -> str:
    return (TODAY + timedelta(days=ahead)).isoformat()


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ((), 201),
        ((None,), 201),
        ((day(-3),), 422),
        ((day(0),), 201),
        ((day(300),), 201),
        ((day(-3), day(300)), 201),
        ((day(-3), None), 201),
        ((day(-30), day(-3)), 422),
        ((str(TODAY.year - 1),), 422),
        ((str(TODAY.year),), 201),
    ],
)
async def test_one_qualification_that_counts_is_enough(fhir: Fhir, ends: tuple[str | None, ...], status: int) -> None:
    answer = await fhir.post("/Observation", seen(await staff(fhir, *ends)))
    assert answer.status_code == status, answer.text


async def test_the_refusal_names_who_and_what(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    outcome = assert_outcome(
        await fhir.post("/Observation", seen(nurse)), 422, "business-rule", "Observation.performer[0]"
    )
    (issue,) = outcome["issue"]
    assert all(part in issue["diagnostics"] for part in (nurse, "nurse", day(-3)))
    assert "到期" in issue["details"]["text"]


async def test_what_was_done_while_it_counted_may_still_be_told(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    assert (await fhir.post("/Observation", seen(nurse, effectiveDateTime=day(-4)))).status_code == 201
    assert (await fhir.post("/Observation", seen(nurse, effectiveDateTime=day(-2)))).status_code == 422


async def test_a_role_is_held_to_the_qualification_of_who_has_it(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    role = await fhir.created({"resourceType": "PractitionerRole", "practitioner": {"reference": nurse}})
    answer = await fhir.post("/Observation", seen(f"PractitionerRole/{role['id']}"))
    assert_outcome(answer, 422, "business-rule", "Observation.performer[0]")


async def test_an_absolute_reference_to_this_server_is_the_same(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    answer = await fhir.post("/Observation", seen(f"{BASE}/{nurse}"))
    assert_outcome(answer, 422, "business-rule", "Observation.performer[0]")


async def test_an_act_is_not_moved_to_a_day_on_which_the_qualification_had_ended(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    made = await fhir.created(seen(nurse, effectiveDateTime=day(-4)))
    later = await fhir.put(f"/Observation/{made['id']}", {**made, "effectiveDateTime": day(-1)})
    assert_outcome(later, 422, "business-rule", "Observation.performer[0]")
    assert (await fhir.put(f"/Observation/{made['id']}", {**made, "status": "amended"})).status_code == 200


async def test_every_way_to_a_version_is_held_to_it(fhir: Fhir) -> None:
    expired, valid = await staff(fhir, day(-3)), await staff(fhir, day(300))
    made = await fhir.created(seen(valid))
    path = f"/Observation/{made['id']}"
    changed = {**made, "performer": [{"reference": expired}]}
    assert_outcome(await fhir.put(path, changed), 422, "business-rule", "Observation.performer[0]")
    operations = [{"op": "replace", "path": "/performer/0/reference", "value": expired}]
    patched = await fhir.call(
        "PATCH", path, json.dumps(operations).encode(), content_type="application/json-patch+json"
    )
    assert_outcome(patched, 422, "business-rule", "Observation.performer[0]")
    both = transaction(create(seen(valid)), create(seen(expired)))
    assert_outcome(await fhir.post("/", both), 422, "business-rule", "Bundle.entry[1].resource.performer[0]")
    batch = transaction(create(seen(valid)), create(seen(expired)), kind="batch")
    answers = (await fhir.post("/", batch)).json()["entry"]
    assert [each["response"]["status"][:3] for each in answers] == ["201", "422"]
    new = f"Observation/{uuid4()}"
    put = transaction(entry("PUT", new, {**seen(expired), "id": new.partition("/")[2]}))
    assert (await fhir.post("/", put)).status_code == 422


async def test_what_they_wrote_before_can_be_put_right_by_others(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(300))
    made = await fhir.created(seen(nurse))
    known = (await fhir.get(f"/{nurse}")).json()
    known["qualification"][0]["period"]["end"] = day(-3)
    assert (await fhir.put(f"/{nurse}", known)).status_code == 200
    assert (await fhir.put(f"/Observation/{made['id']}", {**made, "status": "entered-in-error"})).status_code == 200
    assert (await fhir.post("/Observation", seen(nurse))).status_code == 422
    known["qualification"][0]["period"]["end"] = day(300)
    assert (await fhir.put(f"/{nurse}", known)).status_code == 200
    assert (await fhir.post("/Observation", seen(nurse))).status_code == 201


async def test_who_is_logged_in_with_an_expired_qualification_writes_nothing_clinical(fhir: Fhir) -> None:
    nurse = await staff(fhir, day(-3))
    await fhir.post("/Observation", observation(ELDER))
    own = fhir.as_(practitioner=nurse)
    assert_outcome(await own.post("/Observation", observation(ELDER)), 422, "business-rule", "Observation")
    told = {"resourceType": "Communication", "status": "completed", "subject": {"reference": ELDER}}
    assert (await own.post("/Communication", told)).status_code == 201


def test_every_element_is_one_of_its_type() -> None:
    for kind, paths in PERFORMERS.items():
        assert all(path.partition(".")[0] in type_definition(kind).elements for path in paths)
