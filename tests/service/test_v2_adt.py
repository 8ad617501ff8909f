"""Admission, transfer, discharge, registration, update and merge by HL7 v2 become FHIR (docs/v2.md).

http://www.hl7.eu/HL7v2x/v251/std251/ch03.html
"""

from typing import Any

import pytest

from tests.builders import ID_NUMBER
from tests.house import Fhir
from tests.v2 import Elder, adt, elder, message, pid, pv1, send

Json = dict[str, Any]


async def patients(fhir: Fhir, one: Elder) -> list[Json]:
    form = f"identifier={ID_NUMBER}%7C{one.national}".encode()
    answer = await fhir.post("/Patient/_search", form, content_type="application/x-www-form-urlencoded")
    return [each["resource"] for each in answer.json().get("entry", ())]


async def visit_of(fhir: Fhir, number: str) -> Json:
    found = (await fhir.get(f"/Encounter?identifier={number}")).json()["entry"]
    assert len(found) == 1
    visit: Json = found[0]["resource"]
    return visit


async def test_an_admission_makes_the_person_and_her_stay(fhir: Fhir) -> None:
    one = elder()
    answer = await send(fhir, adt("A01", one, pv1("V1001"), "DG1|1||I50.9^心力衰竭^I10"))
    assert (answer.code, answer.errors) == ("AA", []), answer.text
    (patient,) = await patients(fhir, one)
    assert patient["name"][0] == {"use": "official", "text": "王秀英", "family": "王", "given": ["秀英"]}
    assert (patient["birthDate"], patient["gender"]) == ("1944-03-12", "female")
    assert patient["address"][0]["text"] == "内蒙古乌海人民路1号"
    record = next(i for i in patient["identifier"] if i["value"] == one.record)
    assert record["assigner"] == {"reference": "Organization/hospital"}
    visit = await visit_of(fhir, "V1001")
    assert (visit["status"], visit["class"]["code"]) == ("in-progress", "IMP")
    assert visit["subject"] == {"reference": f"Patient/{patient['id']}"}
    assert visit["serviceProvider"] == {"reference": "Organization/hospital"}
    assert visit["period"] == {"start": "2026-11-24T11:59:00+08:00"}
    assert visit["location"][0]["location"]["display"] == "心内科 301 12"
    assert visit["participant"][0]["individual"]["display"] == "李卫国"
    assert visit["reasonCode"][0]["coding"][0]["code"] == "I50.9"


async def test_a_stay_goes_from_bed_to_bed_and_ends(fhir: Fhir) -> None:
    one = elder()
    await send(fhir, adt("A01", one, pv1("V1002")))
    moved = await send(fhir, adt("A02", one, pv1("V1002", "康复科^201^3"), at="20261125090000"))
    assert moved.code == "AA", moved.text
    visit = await visit_of(fhir, "V1002")
    assert [each["status"] for each in visit["location"]] == ["completed", "active"]
    assert visit["location"][0]["period"]["end"] == "2026-11-25T09:00:00+08:00"
    gone = adt("A03", one, pv1("V1002", "康复科^201^3", f36="01", f45="20261130100000"), at="20261130100500")
    answer = await send(fhir, gone)
    assert answer.code == "AA", answer.text
    visit = await visit_of(fhir, "V1002")
    assert (visit["status"], visit["period"]["end"]) == ("finished", "2026-11-30T10:00:00+08:00")
    assert {each["status"] for each in visit["location"]} == {"completed"}


async def test_an_admission_that_comes_late_does_not_open_a_stay_again(fhir: Fhir) -> None:
    one = elder()
    await send(fhir, adt("A01", one, pv1("V1003")))
    await send(fhir, adt("A03", one, pv1("V1003")))
    assert (await send(fhir, adt("A01", one, pv1("V1003")))).code == "AA"
    assert (await visit_of(fhir, "V1003"))["status"] == "finished"


async def test_who_is_known_already_is_found_and_gets_the_hospitals_number(fhir: Fhir) -> None:
    one = elder()
    identity = {"system": ID_NUMBER, "value": one.national}
    known = await fhir.created(
        {"resourceType": "Patient", "identifier": [identity], "name": [{"text": "王秀英"}], "birthDate": "1944-03-12"}
    )
    assert (await send(fhir, adt("A04", one))).code == "AA"
    (patient,) = await patients(fhir, one)
    assert patient["id"] == known["id"]
    assert patient["name"] == [{"text": "王秀英"}], "what is known is not overwritten by a registration"
    assert one.record in {each["value"] for each in patient["identifier"]}


async def test_an_update_says_what_is_so_now(fhir: Fhir) -> None:
    one = elder()
    await send(fhir, adt("A04", one))
    await send(fhir, message("ADT^A08", "EVN|A08|20261126", pid(one, address="黄河路9号^^乌海", phone="10000000002")))
    (patient,) = await patients(fhir, one)
    assert patient["address"][0]["line"] == ["黄河路9号"]
    assert patient["telecom"][0]["value"] == "10000000002"


async def test_the_same_record_number_at_another_hospital_is_another_person(fhir: Fhir) -> None:
    one = elder()
    other = elder(record=one.record)
    await send(fhir, adt("A04", one))
    assert (await send(fhir.as_(organization="clinic", client="clinic-his"), adt("A04", other))).code == "AA"
    assert len(await patients(fhir, one)) == 1
    assert (await patients(fhir.as_(organization="clinic"), other))[0]["identifier"][0]["value"] == other.record


async def test_two_records_are_merged_by_links(fhir: Fhir) -> None:
    kept, gone = elder(), elder()
    await send(fhir, adt("A04", kept))
    bare = gone._replace(national="")
    first = await send(
        fhir, message("ADT^A04", "EVN|A04|20261124", f"PID|1||{gone.record}^^^HIS^PI||王^秀英||19440312|F")
    )
    assert first.code == "AA"
    merge = message("ADT^A40", "EVN|A40|20261124", pid(kept), f"MRG|{bare.record}^^^HIS^PI")
    assert (await send(fhir, merge)).code == "AA"
    (patient,) = await patients(fhir, kept)
    assert [link["type"] for link in patient["link"]] == ["replaces"]
    assert gone.record in {each["value"] for each in patient["identifier"]}
    again = message("ADT^A40", "EVN|A40|20261124", pid(kept), f"MRG|{bare.record}^^^HIS^PI")
    assert (await send(fhir, again)).code == "AA", "asked again, under another number, it is done already"
    assert (await send(fhir, adt("A01", kept, pv1("V1004")))).code == "AA"


async def test_a_merge_of_an_unknown_record_names_the_field(fhir: Fhir) -> None:
    one = elder()
    await send(fhir, adt("A04", one))
    answer = await send(fhir, message("ADT^A40", "EVN|A40|20261124", pid(one), "MRG|M999999^^^HIS^PI"))
    assert (answer.code, answer.errors) == ("AE", [("MRG-1", "204", "E")])


CON = "CON|1|01||TY2026-0071|||||||A||20261120|20261120|20271120"


@pytest.fixture
async def known(fhir: Fhir) -> Elder:
    """Somebody whom another institution cares for."""
    one = elder()
    assert (await send(fhir.as_(organization="elsewhere", client="elsewhere-his"), adt("A04", one))).code == "AA"
    return one


async def test_a_signed_consent_lets_the_hospital_in(fhir: Fhir, known: Elder) -> None:
    here = elder(national=known.national)
    answer = await send(fhir, adt("A01", here, pv1("V1006"), CON))
    assert answer.code == "AA", answer.text
    (mine,) = await patients(fhir, here)
    (theirs,) = await patients(fhir.as_(organization="elsewhere"), known)
    assert mine["id"] == theirs["id"]
    assert {here.record, known.record} <= {each["value"] for each in mine["identifier"]}
    assert (await visit_of(fhir, "V1006"))["subject"] == {"reference": f"Patient/{mine['id']}"}
    consents = (await fhir.get(f"/Consent?patient={mine['id']}")).json()["entry"]
    assert consents[0]["resource"]["sourceReference"]["identifier"]["value"] == "TY2026-0071"
    assert (await send(fhir, adt("A08", here, CON))).code == "AA"
    assert len((await fhir.get(f"/Consent?patient={mine['id']}")).json()["entry"]) == 1


@pytest.mark.parametrize(
    ("name", "consent", "place"),
    [("李^秀英", CON, "PID-3"), ("王^秀英", CON.replace("|A|", "|R|"), "CON"), ("王^秀英", CON[:-9], "CON-15")],
)
async def test_wrong_facts_or_no_consent_leave_it_outside(
    fhir: Fhir, known: Elder, name: str, consent: str, place: str
) -> None:
    answer = await send(fhir, adt("A01", elder(national=known.national, name=name), pv1("V1007"), consent))
    assert (answer.code, answer.places) == ("AE", [place]), answer.text


async def test_a_person_out_of_reach_is_refused_with_the_way_in(fhir: Fhir) -> None:
    one = elder()
    await send(fhir.as_(organization="elsewhere", client="elsewhere-his"), adt("A04", one))
    answer = await send(fhir, adt("A01", one, pv1("V1005")))
    assert answer.code == "AE"
    assert "$register" in answer.text
