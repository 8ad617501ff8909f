"""Which relation lets two institutions refer to each other, and what its terms say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.fhir.elements import concept
from services.referral.agreements import affiliation_of, agreement_of, consortium_of, relation
from services.referral.codes import (
    ACT,
    AFFILIATION_TYPE,
    CONTRACT_TERM,
    CONTRACT_TYPE,
    DIRECTION,
    DIRECTION_EXTENSION,
    PRIORITY,
)

Json = dict[str, Any]
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
PARTIES = ("home", "hospital")


def organization(name: str) -> Json:
    return {"reference": f"Organization/{name}"}


def contract(**changes: Any) -> Json:
    made = {
        "id": "c1", "status": "executed", "type": concept(CONTRACT_TYPE, "cooperation"),
        "applies": {"start": "2026-01-01", "end": "2026-12"},
        "subject": [organization(each) for each in PARTIES],
        "signer": [{"party": organization(each)} for each in PARTIES],
    }  # fmt: skip
    return made | changes


def term(kind: str, **value: Any) -> Json:
    return {"type": concept(CONTRACT_TERM, kind), "offer": {"answer": [value]}}


def affiliation(head: str, member: str, **changes: Any) -> Json:
    made = {
        "id": "a1", "active": True, "code": [concept(AFFILIATION_TYPE, "consortium")],
        "organization": organization(head), "participatingOrganization": organization(member),
    }  # fmt: skip
    return made | changes


def test_an_executed_contract_signed_by_both_is_a_relation() -> None:
    found = agreement_of(contract(), PARTIES, NOW)
    assert found is not None
    assert found.directions == {"up", "down", "lateral"}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "offered"},
        {"type": concept(CONTRACT_TYPE, "family-doctor")},
        {"signer": [{"party": organization("home")}]},
        {"subject": [organization("home"), organization("clinic")]},
        {"applies": {"end": "2026-10"}},
        {"applies": {"end": "2025"}},
        {"applies": {"start": "2026-12-01"}},
    ],
)
def test_a_contract_that_is_not_both_parties_own_and_live_is_none(changes: Json) -> None:
    assert agreement_of(contract(**changes), PARTIES, NOW) is None


def test_the_terms_say_directions_departments_quota_and_clocks() -> None:
    clock = term("clock", valueQuantity={"value": 30, "code": "min"}) | {
        "subType": {
            "coding": [{"system": ACT, "code": "accept"}, {"system": PRIORITY, "code": "urgent"}],
        }
    }
    terms = [
        term("direction", valueCoding={"system": DIRECTION, "code": "up"}),
        term("department", valueReference=organization("cardiology")),
        term("quota", valueInteger=3),
        clock,
    ]
    found = agreement_of(contract(term=terms), PARTIES, NOW)
    assert found is not None
    assert (found.directions, found.departments, found.quota) == (
        frozenset({"up"}), frozenset({"Organization/cardiology"}), 3,
    )  # fmt: skip
    assert found.terms == {("accept", "urgent"): timedelta(minutes=30)}
    assert relation([found], "down") is None


def test_a_consortium_is_one_relation_between_its_head_and_a_member_and_between_two_members() -> None:
    direct = affiliation_of(affiliation("hospital", "home"), PARTIES, NOW)
    assert direct is not None
    assert direct.lead == "hospital"
    assert direct.directions == {"up", "lateral"}
    back = affiliation_of(affiliation("hospital", "home"), (PARTIES[1], PARTIES[0]), NOW)
    assert back is not None
    assert back.directions == {"down", "lateral"}
    members = ([affiliation("head", "home")], [affiliation("head", "hospital")])
    assert consortium_of(*members, NOW) is not None
    assert consortium_of([affiliation("head", "home")], [affiliation("other", "hospital")], NOW) is None
    assert affiliation_of(affiliation("hospital", "home", active=False), PARTIES, NOW) is None


def test_an_affiliation_may_name_its_directions() -> None:
    one_way = affiliation("hospital", "home", extension=[{"url": DIRECTION_EXTENSION, "valueCode": "up"}])
    found = affiliation_of(one_way, PARTIES, NOW)
    assert found is not None
    assert found.directions == {"up"}
