"""The pure parts of the gateway's trust: roles, purposes, scopes, one-time passwords, passwords, sealed secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import passwords, totp
from gateway.purposes import PURPOSES
from gateway.registry.account import check_account
from gateway.roles import ROLES, granted, purposes_of, scopes_of
from gateway.scopes import check_grantable, grant, permissions_at_the_door, read_scopes
from gateway.seal import Seal
from services.fhir import definitions
from services.fhir.definitions import resource_types
from services.fhir.scopes import ANY, ScopeError

ONE, OTHER = bytes(range(32, 64)), bytes(range(64, 96))


def test_the_purposes_are_those_of_v3_purpose_of_use() -> None:
    """http://terminology.hl7.org/ValueSet/v3-PurposeOfUse: what is-a PurposeOfUse in v3-ActReason, without the abstract root."""
    line = next(
        line
        for line in _lines("code-systems.json")
        if line.startswith('"http://terminology.hl7.org/CodeSystem/v3-ActReason"')
    )
    [system] = json.loads(f"{{{line.rstrip(',')}}}").values()
    assert frozenset(_below("PurposeOfUse", system["concept"])) == PURPOSES


def _lines(name: str) -> list[str]:
    return (Path(str(definitions.__file__)).parent / name).read_text(encoding="utf-8").splitlines()


def _below(root: str, concepts: list[dict[str, Any]]) -> set[str]:
    parents = {
        c["code"]: {p["valueCode"] for p in c.get("property", ()) if p["code"] == "subsumedBy"} for c in concepts
    }
    below, grown = {root}, True
    while grown:
        more = {code for code, above in parents.items() if above & below} - below
        grown = bool(more)
        below |= more
    return below - {root} | _nested(root, concepts)


def _nested(root: str, concepts: list[dict[str, Any]], *, within: bool = False) -> set[str]:
    found = set()
    for concept in concepts:
        found |= {concept["code"]} if within else set()
        found |= _nested(root, concept.get("concept", []), within=within or concept["code"] == root)
    return found


@pytest.mark.parametrize("code", ROLES)
def test_every_role_is_made_of_what_exists(code: str) -> None:
    role = ROLES[code]
    scopes = scopes_of(code)
    assert {scope.type for scope in scopes.fhir} <= {*resource_types(), ANY}
    assert {scope.context for scope in scopes.fhir} == {role.context}
    assert set(role.purposes) <= PURPOSES
    assert role.name


def test_the_roles_are_those_of_the_model() -> None:
    assert len(ROLES) == 15
    assert {role.name for role in ROLES.values()} >= {
        "医师",
        "护士",
        "护理员",
        "转诊专员",
        "家庭医生",
        "评估员",
        "药师",
        "监管",
        "审计员",
    }


def test_caregivers_see_plan_and_risk_and_supervisors_no_person() -> None:
    care = {scope.type for scope in scopes_of("caregiver").fhir if "r" in scope.letters}
    assert {"CarePlan", "Flag"} <= care
    assert not {"Condition", "MedicationRequest", "DiagnosticReport", "Observation"} & care
    assert not {"Patient", "Observation", "Condition", "Encounter"} & {s.type for s in scopes_of("supervisor").fhir}
    assert {scope.letters for scope in scopes_of("auditor").fhir} == {"rs"}


def test_several_roles_add_up_and_the_client_is_the_limit() -> None:
    asked = read_scopes("openid user/*.cruds admin/organization")
    client = read_scopes("openid user/Task.rus user/Patient.rs")
    assert set(granted(asked, ["caregiver", "auditor"], client).text.split()) == {
        "openid",
        "user/Task.rus",
        "user/Patient.rs",
    }
    assert granted(asked, [], client).text == ""
    assert purposes_of(["nurse", "auditor"], ["HCOMPL", "TREAT"]) == ("TREAT", "HCOMPL")


def test_what_is_asked_for_is_never_widened() -> None:
    one, other = read_scopes("openid system/*.rs"), read_scopes("fhirUser system/Task.cruds")
    assert grant(one, other).text == "system/Task.rs"
    assert grant(one).text == one.text


def test_more_than_two_hundred_scopes_are_not_read() -> None:
    with pytest.raises(ScopeError, match="more than 200"):
        read_scopes(" ".join(f"system/Task.r?_id={number}" for number in range(201)))


def test_a_scope_that_nobody_enforces_is_neither_granted_nor_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = "patient/Observation.rs"
    permissions_at_the_door.cache_clear()
    monkeypatch.setattr("gateway.scopes.OWN_RECORD_IS_ENFORCED_FOR", frozenset())
    with pytest.raises(ScopeError, match="not enforced here yet"):
        check_grantable(read_scopes(scope), ("system", "patient"), frozenset())
    assert not permissions_at_the_door((scope,)).allow("Observation", "r")
    monkeypatch.setattr("gateway.scopes.OWN_RECORD_IS_ENFORCED_FOR", frozenset({"Patient"}))
    permissions_at_the_door.cache_clear()
    check_grantable(read_scopes(scope), ("system", "patient"), frozenset())
    assert permissions_at_the_door((scope,)).allow("Observation", "r")
    check_account("elder.zhang", "home", "Patient/1", ["elder"])
    permissions_at_the_door.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
    ],
)
def test_one_time_passwords_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc6238#appendix-B"""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.code_at(secret, seconds // 30, 8) == code


def test_a_one_time_password_holds_around_its_time_and_after_the_last_one_used() -> None:
    secret, now = totp.new_secret(), 1_800_000_000.0
    code, step = totp.code_at(secret, int(now) // 30), int(now) // 30
    assert [totp.step_of(secret, code, now + shift, 0) for shift in (-31, -30, 0, 30, 61)] == [
        None,
        step,
        step,
        step,
        None,
    ]
    assert totp.step_of(secret, code, now, step) is None
    assert totp.step_of(secret, "龘", now, 0) is None
    assert totp.key_uri(secret, "Yiyang", "a b").startswith("otpauth://totp/Yiyang:a%20b?secret=")


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "aaaaaaaaaaaaaaa", "ababababababab", "my-doctor.wang-1"])
def test_a_password_that_nobody_should_choose(password: str) -> None:
    with pytest.raises(passwords.PasswordRefusedError):
        passwords.check_password(password, "doctor.wang")


async def test_a_password_is_known_by_its_hash_alone() -> None:
    password = passwords.new_password()
    assert passwords.check_password(password, "doctor.wang") == password
    hashed = await passwords.hash_password(password)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.is_password(password, hashed)
    assert not await passwords.is_password(password + "x", hashed)
    assert not await passwords.is_password(password, None)
    assert not await passwords.is_password(password, "nonsense")


def test_a_sealed_secret_opens_with_either_key_for_its_owner_alone() -> None:
    sealed = Seal([ONE], "test").close("secret", "account-1")
    assert "secret" not in sealed
    assert Seal([OTHER, ONE], "test").open(sealed, "account-1") == "secret"
    assert Seal([OTHER], "test").open(sealed, "account-1") is None
    assert Seal([ONE], "test").open(sealed, "account-2") is None
    assert Seal([ONE], "another use").open(sealed, "account-1") is None
