"""Administrators bring a second factor, and whoever was given a password chooses one: RFC 6238, NIST SP 800-63B."""

import pytest

from gateway.jws import open_compact
from gateway.registry import RegistrationError
from tests.front import KEY, Front
from tests.people import PASSWORD, Portal, sent

ADMIN = ("institution-admin",)
NEW = "staple-sunrise-ladder"


@pytest.mark.parametrize(
    ("role", "needs"),
    [
        ("institution-admin", True),
        ("consortium-admin", True),
        ("supervisor", True),
        ("auditor", True),
        ("nurse", False),
    ],
)
async def test_the_roles_that_rule_or_watch_need_a_one_time_password(portal: Portal, role: str, *, needs: bool) -> None:
    await portal.register(name="other", purposes=("TREAT", "HOPERAT", "HQUALIMP", "HCOMPL"))
    account = await portal.add(roles=(role,))
    page = await portal.open(client_id="other")
    assert (await portal.submit(page)).status_code == (401 if needs else 303)
    code = portal.code_of(await portal.give_totp(account))
    assert (await portal.submit(page, code=code)).status_code == 303


async def test_a_one_time_password_is_worth_one_login(portal: Portal) -> None:
    code = await _admin(portal)
    page = await portal.open(client_id="admin")
    assert (await portal.submit(page, code="000000")).status_code == 401
    assert (await portal.submit(page, code=code)).status_code == 303
    assert (await portal.submit(page, code=code)).status_code == 401
    portal.front.clock.advance(120)
    assert (await portal.submit(page, code=code)).status_code == 401


async def test_the_id_token_tells_how_the_person_was_known(portal: Portal) -> None:
    code = await _admin(portal)
    back = sent(await portal.submit(await portal.open(client_id="admin", scope="openid"), code=code))
    token = (await portal.exchange(back["code"], client_id="admin")).json()["id_token"]
    assert open_compact(token).claims["amr"] == ["pwd", "otp", "mfa"]


async def test_a_secret_sealed_under_the_other_internal_key_still_counts(portal: Portal, clean_database: str) -> None:
    code = await _admin(portal)
    keys = f"fedcba9876543210-another-key-for-tests,{KEY}"
    async with Front(clean_database, internal_key=keys) as front:
        other = Portal(front)
        assert (await other.submit(await other.open(client_id="admin"), code=code)).status_code == 303


async def test_a_first_password_must_be_changed_before_it_opens_anything(portal: Portal) -> None:
    await portal.add(must_change=True)
    page = await portal.submit(await portal.open())
    assert (page.status_code, 'name="new_password"' in page.text, "set-cookie" in page.headers) == (403, True, False)
    for new, again in (
        (NEW, NEW + "x"),
        (PASSWORD, PASSWORD),
        ("short", "short"),
        ("doctor.wang-2026", "doctor.wang-2026"),
    ):
        page = await portal.submit(page, new_password=new, new_password_again=again)
        assert (page.status_code, 'name="new_password"' in page.text) == (400, True)
        assert new not in page.text
        portal.front.clock.advance(600)
    assert (await portal.submit(page, new_password=NEW, new_password_again=NEW)).status_code == 303
    assert (await portal.submit(page)).status_code == 401
    assert (await portal.submit(page, password=NEW)).status_code == 303


@pytest.mark.parametrize(
    ("name", "person", "roles", "words"),
    [
        ("ab", "Practitioner/1", ("nurse",), "account name"),
        ("Nurse Li", "Practitioner/1", ("nurse",), "account name"),
        ("nurse.li", "Practitioner", ("nurse",), "reference"),
        ("nurse.li", "Patient/1", ("nurse",), "must be a Practitioner"),
        ("nurse.li", "Practitioner/1", (), "at least one role"),
        ("nurse.li", "Practitioner/1", ("queen",), "not a role of people"),
        ("nurse.li", "Device/1", ("device",), "not a role of people"),
        ("elder.zhang", "RelatedPerson/1", ("elder",), "must be a Patient"),
    ],
)
async def test_an_account_that_would_not_be_safe_is_refused(
    portal: Portal, name: str, person: str, roles: tuple[str, ...], words: str
) -> None:
    with pytest.raises(RegistrationError, match=words):
        await portal.accounts.add(name, "hospital", person, roles, "hash")
    assert await portal.accounts.list() == []


async def test_an_app_without_a_purpose_of_the_role_gets_nobody(portal: Portal) -> None:
    secret = await portal.give_totp(await portal.add(roles=("auditor",)))
    answer = await portal.submit(await portal.open(), code=portal.code_of(secret))
    assert sent(answer)["error"] == "access_denied"


async def _admin(portal: Portal) -> str:
    """An administrator, an app for administrators, and the code of this moment."""
    await portal.register(
        "openid fhirUser online_access admin/organization user/*.cruds", "admin", purposes=("HOPERAT",)
    )
    return portal.code_of(await portal.give_totp(await portal.add(roles=ADMIN)))
