"""An elder looks at her own record, and a relative at hers as long as she lets him: docs/adr/0020"""

from typing import Any
from uuid import uuid4

import pytest

from services.fhir.access.consent import CATEGORIES
from tests.builders import observation, patient
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.people import Portal, bearer, sent

Json = dict[str, Any]
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@pytest.fixture
def home(fhir: Fhir) -> Fhir:
    return Fhir(fhir.peers, fhir.caller, introduces=False).as_(organization=f"own-home-{uuid4().hex[:6]}")


async def elder(home: Fhir) -> str:
    return f"Patient/{(await home.created(patient()))['id']}"


def herself(home: Fhir, who: str) -> Fhir:
    """At the portal of her home."""
    return home.as_(practitioner=who, purpose="PATRQT")


async def relative(home: Fhir, who: str, **elements: Any) -> Json:
    return await home.created({"resourceType": "RelatedPerson", "patient": {"reference": who}, **elements})


def as_relative(home: Fhir, relative: Json) -> Fhir:
    return home.as_(practitioner=f"RelatedPerson/{relative['id']}", purpose="FAMRQT")


def consent(who: str, rule: Json, category: str = "general") -> Json:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "resourceType": "Consent", "status": "active", "scope": {"coding": [scope]}, "patient": {"reference": who},
        "category": [{"coding": [{"system": CATEGORIES, "code": category}]}], "policyRule": {"text": "PIPL"},
        "provision": {"provision": [rule]},
    }  # fmt: skip


def entrusted(who: str, to: Json, category: str = "proxy", **rule: Any) -> Json:
    actor = {"role": {"text": "代理"}, "reference": {"reference": f"RelatedPerson/{to['id']}"}}
    return consent(who, {"type": "permit", "actor": [actor], **rule}, category)


async def statuses(caller: Fhir, *names: str) -> list[int]:
    return [(await caller.get(f"/{name}")).status_code for name in names]


# ---- an elder -------------------------------------------------------------------------------------------------------------


async def test_an_elder_sees_what_is_about_her_labelled_or_not_and_nothing_else_of_her_institution(home: Fhir) -> None:
    who, other = await elder(home), await elder(home)
    very = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}
    hidden = await home.created(observation(who, meta=very))
    stranger = await home.created(observation(other))
    note = await home.created({"resourceType": "Basic", "code": {"text": "x"}})
    names = (who, f"Observation/{hidden['id']}", other, f"Observation/{stranger['id']}", f"Basic/{note['id']}")
    assert await statuses(herself(home, who), *names) == [200, 200, 404, 404, 404]


async def test_what_an_elder_writes_is_hers_and_changes_nothing_of_others(home: Fhir) -> None:
    who, other = await elder(home), await elder(home)
    she = herself(home, who)
    theirs = await home.created(observation(who))
    own = await she.created(observation(who))
    assert (await home.get(f"/Observation/{own['id']}")).status_code == 200
    assert_outcome(await she.put(f"/Observation/{theirs['id']}", theirs), 403, "forbidden")
    assert_outcome(await she.post("/Observation", observation(other)), 422, "not-found", "Observation.subject")
    assert (await she.put(f"/Observation/{own['id']}", own | {"status": "amended"})).status_code == 200


async def test_an_institution_does_not_see_what_she_wrote_for_having_opened_the_portal(home: Fhir) -> None:
    who = await elder(home)
    portal = home.as_(organization=f"own-portal-{uuid4().hex[:6]}")
    own = await herself(portal, who).created(observation(who))
    assert_outcome(await portal.get(f"/Observation/{own['id']}"), 404, "not-found")
    assert (await home.get(f"/Observation/{own['id']}")).status_code == 200


async def test_her_own_consent_opens_her_record_and_nobody_elses(home: Fhir) -> None:
    who, other = await elder(home), await elder(home)
    clinic = home.as_(organization=f"own-clinic-{uuid4().hex[:6]}")
    actor = {"role": {"text": "x"}, "reference": {"reference": f"Organization/{clinic.caller.organization}"}}
    rule = {"type": "permit", "actor": [actor], "purpose": [{"system": REASON, "code": "TREAT"}]}
    agreed = consent(who, rule)
    assert_outcome(await herself(home, other).post("/Consent", agreed), 422, "not-found", "Consent.patient")
    await herself(home, who).created(agreed)
    assert await statuses(clinic, who, other) == [200, 404]


# ---- a proxy --------------------------------------------------------------------------------------------------------------


async def test_a_relative_sees_nothing_until_the_elder_says_so_and_then_hers_alone(home: Fhir) -> None:
    who, other = await elder(home), await elder(home)
    son = await relative(home, who)
    he = as_relative(home, son)
    pulse = await home.created(observation(who))
    names = (who, f"Observation/{pulse['id']}", other)
    assert await statuses(he, *names) == [404, 404, 404]
    agreed = await home.created(entrusted(who, son))
    assert await statuses(he, *names) == [200, 200, 404]
    assert (await he.get("/Observation?_total=accurate")).json()["total"] == 1
    await home.put(f"/Consent/{agreed['id']}", agreed | {"status": "inactive"})
    assert await statuses(he, *names) == [404, 404, 404]


@pytest.mark.parametrize(
    "change",
    [
        {"active": False},
        {"period": {"end": "2020-05"}},
        {"period": {"end": "2020-05-01T08:00:00+08:00"}},
        {"period": {"start": "2999"}},
    ],
)
async def test_a_relation_that_is_over_shows_nothing(home: Fhir, change: Json) -> None:
    who = await elder(home)
    son = await relative(home, who, active=True, period={"start": "2020", "end": "2999-01-01"})
    await home.created(entrusted(who, son))
    assert await statuses(as_relative(home, son), who) == [200]
    await home.put(f"/RelatedPerson/{son['id']}", son | change)
    assert await statuses(as_relative(home, son), who) == [404]


async def test_a_relation_that_was_deleted_shows_nothing(home: Fhir) -> None:
    who = await elder(home)
    son = await relative(home, who)
    await home.created(entrusted(who, son))
    await home.delete(f"/RelatedPerson/{son['id']}")
    assert await statuses(as_relative(home, son), who) == [404]


async def test_the_relative_of_another_patient_is_no_proxy(home: Fhir) -> None:
    who, other = await elder(home), await elder(home)
    stranger = await relative(home, other)
    await home.created(entrusted(who, stranger))
    assert await statuses(as_relative(home, stranger), who, other) == [404, 404]


async def test_a_consent_of_another_category_makes_no_proxy(home: Fhir) -> None:
    who = await elder(home)
    son = await relative(home, who)
    await home.created(entrusted(who, son, category="general"))
    assert await statuses(as_relative(home, son), who) == [404]


async def test_a_proxy_sees_the_classes_that_were_named_and_no_label(home: Fhir) -> None:
    who = await elder(home)
    son = await relative(home, who)
    classes = [{"system": "http://hl7.org/fhir/resource-types", "code": c} for c in ("Patient", "Observation")]
    named: Json = {"class": classes}
    await home.created(entrusted(who, son, **named))
    seen = await home.created(observation(who))
    hidden = await home.created(observation(who, meta={"security": [{"system": CONFIDENTIALITY, "code": "R"}]}))
    sick = await home.created({"resourceType": "Condition", "subject": {"reference": who}})
    names = [f"{r['resourceType']}/{r['id']}" for r in (seen, hidden, sick)]
    assert await statuses(as_relative(home, son), *names) == [200, 404, 404]


async def test_a_proxy_lets_nobody_else_in(home: Fhir) -> None:
    who = await elder(home)
    son, daughter = await relative(home, who), await relative(home, who)
    await home.created(entrusted(who, son))
    he = as_relative(home, son)
    await he.created(entrusted(who, daughter))
    assert await statuses(as_relative(home, daughter), who) == [404]


async def test_a_proxy_learns_who_saw_the_record(home: Fhir) -> None:
    who = await elder(home)
    son = await relative(home, who)
    he = as_relative(home, son)
    assert_outcome(await he.get(f"/{who}/$disclosures"), 404, "not-found")
    await home.created(entrusted(who, son))
    assert (await he.get(f"/{who}/$disclosures")).json()["entry"]


# ---- at the gateway -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "person"), [("elder", "Patient/7"), ("family-proxy", "RelatedPerson/7")])
async def test_a_person_logs_in_for_a_record_and_asks_as_herself(portal: Portal, role: str, person: str) -> None:
    scope = "openid fhirUser patient/*.rs patient/Consent.c"
    await portal.register(scope, "family", purposes=("PATRQT", "FAMRQT"))
    await portal.add(roles=(role,), person=person)
    page = await portal.open(client_id="family", scope=scope)
    code = sent(await portal.submit(page))["code"]
    answer = (await portal.exchange(code, client_id="family")).json()
    granted = answer["scope"].split()
    assert "patient/Observation.rs" in granted
    assert "patient/Consent.crs" in granted
    assert not any(each.startswith(("user/", "patient/AuditEvent")) for each in granted)
    assert answer.get("patient") == ("7" if role == "elder" else None)
    assert (await portal.browser.get("/fhir/Observation", headers=bearer(answer))).status_code == 200
    assert portal.front.mirror.seen[-1]["caller"]["practitioner"] == person
    refused = await portal.browser.put("/fhir/Observation/1", headers=bearer(answer), json={})
    assert_outcome(refused, 403, "forbidden")
