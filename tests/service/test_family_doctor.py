"""The family doctor's contract: one at a time, renewed, with a package whose fulfilment is seen: docs/adr/0056"""

import asyncio
from datetime import date, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from services.fhir.elements import concept
from services.referral.codes import CONTRACT_TERM, CONTRACT_TYPE
from services.referral.family_doctor.contract import done, items
from tests.builders import coded, encounter, known_patient, organization
from tests.house import Fhir, Json
from tests.matchers import assert_outcome

SYSTEM: Final = "https://yiyang.example/fhir/CodeSystem"
ROUND: Final = coded(f"{SYSTEM}/care-item", "home-visit", "上门巡诊")
BATH: Final = coded(f"{SYSTEM}/care-item", "bathing", "协助洗浴")


def day(ahead: int) -> str:
    return (date.today() + timedelta(days=ahead)).isoformat()  # noqa: DTZ011 - whole days either side


def signed(party: str) -> Json:
    kind = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}
    signature = {"type": [kind], "when": "2026-01-01T08:00:00+08:00", "who": {"reference": party}}
    return {"type": {"code": "SIGNER"}, "party": {"reference": party}, "signature": [signature]}


def promised(service: Json, times: int) -> Json:
    kind = concept(CONTRACT_TERM, "package-item")
    return {"type": kind, "subType": service, "offer": {"answer": [{"valueInteger": times}]}}


class Clinic:
    """A clinic with family doctors, and one elder."""

    def __init__(self, fhir: Fhir, elder: str, house: str) -> None:
        self.fhir = fhir
        self.elder = elder
        self.house = house

    @classmethod
    async def opened(cls, fhir: Fhir) -> "Clinic":
        own = Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"clinic-{uuid4().hex[:8]}")
        house, elder = await own.created(organization()), await own.created(known_patient())
        return cls(own, f"Patient/{elder['id']}", f"Organization/{house['id']}")

    def contract(self, **changes: Any) -> Json:
        made = {
            "resourceType": "Contract", "status": "executed", "type": concept(CONTRACT_TYPE, "family-doctor"),
            "subject": [{"reference": self.elder}], "authority": [{"reference": self.house}],
            "applies": {"start": day(-100), "end": day(265)},
            "signer": [signed(self.elder), signed(self.house)],
        }  # fmt: skip
        return {name: value for name, value in (made | changes).items() if value is not None}

    async def sent(self, **changes: Any) -> Any:
        return await self.fhir.post("/Contract", self.contract(**changes))


@pytest.fixture
async def clinic(fhir: Fhir) -> Clinic:
    return await Clinic.opened(fhir)


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"subject": None}, "subject"),
        ({"applies": {"start": "2026-01-01"}}, "applies"),
        ({"applies": None}, "applies"),
    ],
)
async def test_what_makes_it_a_contract_has_to_be_there(clinic: Clinic, changes: Json, element: str) -> None:
    assert_outcome(await clinic.sent(**changes), 422, "business-rule", f"Contract.{element}")
    assert (await clinic.sent(**changes, status="offered")).status_code == 201


async def test_both_sides_sign_and_a_relative_may_for_the_elder(clinic: Clinic) -> None:
    assert_outcome(await clinic.sent(signer=[signed(clinic.house)]), 422, "business-rule", "Contract.signer")
    assert_outcome(await clinic.sent(signer=[signed(clinic.elder)]), 422, "business-rule", "Contract.signer")
    daughter = await clinic.fhir.created({"resourceType": "RelatedPerson", "patient": {"reference": clinic.elder}})
    relative = signed(f"RelatedPerson/{daughter['id']}")
    assert (await clinic.sent(signer=[relative, signed(clinic.house)])).status_code == 201


async def test_an_elder_has_one_family_doctor(clinic: Clinic) -> None:
    answers = await asyncio.gather(*(clinic.sent() for _ in range(4)))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409]
    assert (await clinic.sent(status="offered")).status_code == 201
    standing = next(each.json() for each in answers if each.status_code == 201)
    ended = await clinic.fhir.put(f"/Contract/{standing['id']}", standing | {"status": "terminated"})
    assert ended.status_code == 200
    assert (await clinic.sent()).status_code == 201


async def test_what_has_run_out_does_not_stand_in_the_way(clinic: Clinic) -> None:
    assert (await clinic.sent(applies={"start": day(-400), "end": day(-2)})).status_code == 201
    assert (await clinic.sent()).status_code == 201


async def test_a_renewal_ends_the_contract_before_it(clinic: Clinic) -> None:
    first = (await clinic.sent()).json()
    renewal = {
        "supportingInfo": [{"reference": f"Contract/{first['id']}"}],
        "applies": {"start": day(0), "end": day(365)},
    }
    second = (await clinic.sent(**renewal)).json()
    assert (await clinic.fhir.get(f"/Contract/{first['id']}")).json()["status"] == "renewed"
    found = (await clinic.fhir.get(f"/Contract?patient={clinic.elder}&status=executed")).json()["entry"]
    assert [each["resource"]["id"] for each in found] == [second["id"]]


async def test_only_a_contract_of_the_same_elder_is_renewed(clinic: Clinic, fhir: Fhir) -> None:
    first = (await clinic.sent()).json()
    other = Clinic(clinic.fhir, f"Patient/{(await clinic.fhir.created(known_patient()))['id']}", clinic.house)
    renewal = {"supportingInfo": [{"reference": f"Contract/{first['id']}"}]}
    assert_outcome(await other.sent(**renewal), 422, "business-rule", "Contract.supportingInfo")


async def test_what_was_promised_and_what_was_done(clinic: Clinic) -> None:
    contract = (await clinic.sent(term=[promised(ROUND, 4), promised(BATH, 2)])).json()
    start = {"period": {"start": day(-10), "end": day(-10)}}
    await clinic.fhir.created(encounter(clinic.elder, "finished", type=[ROUND], **start))
    await clinic.fhir.created(encounter(clinic.elder, "planned", type=[ROUND], **start))
    await clinic.fhir.created(
        encounter(clinic.elder, "finished", type=[ROUND], period={"start": day(-200), "end": day(-199)})
    )
    for when in (-3, -2, -1):
        bath = {"resourceType": "Procedure", "status": "completed", "code": BATH, "performedDateTime": day(when)}
        await clinic.fhir.created(bath | {"subject": {"reference": clinic.elder}})
    answer = await clinic.fhir.get(f"/Contract/{contract['id']}/$fulfilment")
    told = [
        {p["name"]: next(v for k, v in p.items() if k != "name") for p in each["part"]}
        for each in answer.json()["parameter"]
    ]
    assert told == [
        {"name": "上门巡诊", "agreed": 4, "done": 1, "open": 3},
        {"name": "协助洗浴", "agreed": 2, "done": 3, "open": 0},
    ]


async def test_who_does_not_see_the_contract_sees_no_fulfilment(clinic: Clinic) -> None:
    contract = (await clinic.sent()).json()
    path = f"/Contract/{contract['id']}/$fulfilment"
    assert_outcome(await clinic.fhir.as_(organization="contract-stranger").get(path), 404, "not-found")
    assert_outcome(await clinic.fhir.as_(scopes=("system/Contract.rs",)).get(path), 403, "forbidden")
    other = await clinic.fhir.created({"resourceType": "Contract", "status": "executed"})
    assert_outcome(await clinic.fhir.get(f"/Contract/{other['id']}/$fulfilment"), 422, "business-rule", "Contract.type")


def test_an_item_counts_by_any_of_its_codes() -> None:
    both = {"coding": [*ROUND["coding"], *BATH["coding"]]}
    (item,) = items({"term": [promised(both, 3)]})
    assert item.agreed == 3
    assert done(item, [{"code": BATH}, {"type": [ROUND]}, {"code": coded("urn:other", "bathing")}]) == 2
