"""SMART Backend Services at the token endpoint: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""

import asyncio

import pytest

from gateway.jws import open_compact
from gateway.keys import KeyPair
from tests.front import BASE, ORIGIN, Front


async def test_a_registered_client_gets_a_token_for_five_minutes(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    answer = await front.ask_token(keys, "system/Observation.rs system/Task.cruds")
    assert (answer.status_code, answer.headers["cache-control"], answer.headers["pragma"]) == (
        200,
        "no-store",
        "no-cache",
    )
    document = answer.json()
    token = open_compact(document.pop("access_token"))
    assert document == {
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/Observation.rs system/Task.cruds",
    }
    assert (token.header["typ"], token.header["alg"]) == ("at+jwt", "RS384")
    assert token.claims["aud"] == BASE
    assert (token.claims["client_id"], token.claims["organization"]) == ("clinic-his", "clinic")
    assert token.claims["exp"] - token.claims["iat"] == 300


async def test_the_token_verifies_with_the_published_keys(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    token = open_compact((await front.ask_token(keys)).json()["access_token"])
    published = (await front.http.get("/auth/jwks")).json()["keys"]
    assert [key["kid"] for key in published] == [token.header["kid"]]
    assert not {"d", "p", "q"} & set(published[0])


async def test_replicas_that_start_together_share_one_signing_key(front: Front) -> None:
    replicas = [front.connect(front.replica()) for _ in range(3)]
    answers = await asyncio.gather(*(replica.get("/auth/jwks") for replica in replicas))
    assert len({answer.text for answer in answers}) == 1
    assert len(answers[0].json()["keys"]) == 1


async def test_a_new_internal_key_makes_a_new_signing_key_and_tokens_of_the_old_one_still_verify(
    front: Front, keys: KeyPair, clean_database: str
) -> None:
    await front.register(keys)
    headers = await front.bearer(keys)
    kid = open_compact(headers["Authorization"].removeprefix("Bearer ")).header["kid"]
    async with Front(clean_database, internal_key="fedcba9876543210-another-key-for-tests") as other:
        published = [key["kid"] for key in (await other.http.get("/auth/jwks")).json()["keys"]]
        assert (len(published), published[1]) == (2, kid)
        assert open_compact((await other.ask_token(keys)).json()["access_token"]).header["kid"] == published[0]
        assert (await other.http.get("/fhir/Nothing", headers=headers)).status_code == 404


async def test_a_scope_is_narrowed_to_what_is_registered(front: Front, keys: KeyPair) -> None:
    await front.register(keys, "system/Patient.rs system/Task.cruds")
    answer = await front.ask_token(keys, "system/*.cruds system/Slot.r")
    assert answer.json()["scope"] == "system/Patient.rs system/Task.cruds"


@pytest.mark.parametrize(
    "scope", ["", "system/Slot.r", "user/Patient.r", "system/Patient.read", "openid", "system/Patient.r?name=x"]
)
async def test_a_scope_that_cannot_be_granted_is_told(front: Front, keys: KeyPair, scope: str) -> None:
    await front.register(keys, "system/Patient.rs")
    answer = await front.ask_token(keys, scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"client_id": "another"}, "invalid_client"),
    ],
)
async def test_a_request_in_another_form_is_refused(
    front: Front, keys: KeyPair, form: dict[str, str], error: str
) -> None:
    await front.register(keys)
    answer = await front.ask_token(keys, **form)
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.json()["error"] == error
    assert answer.headers["cache-control"] == "no-store"


async def test_parameters_come_once_in_the_form_and_nowhere_else(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for answer in (
        await front.http.post("/auth/token?grant_type=client_credentials", headers=form),
        await front.http.post("/auth/token", content=b"grant_type=a&grant_type=b", headers=form),
        await front.http.post("/auth/token", content=b"grant_type=%ff", headers=form),
        await front.http.post("/auth/token", content=b"grant_type", headers=form),
        await front.http.post("/auth/token", json={"grant_type": "client_credentials"}),
        await front.http.post("/auth/token", headers={**form, "Authorization": "Basic YTpi"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    too_large = await front.http.post("/auth/token", content=b"a=" + b"x" * 70_000, headers=form)
    assert (too_large.status_code, too_large.json()["error"]) == (413, "invalid_request")
    assert (await front.http.get("/auth/token")).status_code == 405


async def test_a_disabled_client_gets_no_token_until_it_is_enabled(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    await front.clients.disable("clinic-his")
    assert (await front.ask_token(keys)).json()["error"] == "invalid_client"
    await front.clients.enable("clinic-his")
    assert (await front.ask_token(keys)).status_code == 200


async def test_a_client_asks_about_its_own_tokens_and_gives_them_back(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    await front.register(keys, name="another-his")
    token = (await front.ask_token(keys)).json()["access_token"]

    async def ask(path: str, name: str = "clinic-his", token: str = token) -> dict[str, object]:
        form = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": front.assertion(keys, name),
            "token": token,
        }
        answer = await front.http.post(path, data=form)
        assert answer.status_code == 200, answer.text
        document: dict[str, object] = answer.json()
        return document

    assert (await ask("/auth/introspect"))["scope"] == "system/*.cruds"
    assert await ask("/auth/introspect", "another-his") == {"active": False}
    assert await ask("/auth/introspect", token="nonsense") == {"active": False}
    await ask("/auth/revoke", "another-his")
    assert (await ask("/auth/introspect"))["active"] is True
    await ask("/auth/revoke")
    assert await ask("/auth/introspect", "another-his") == {"active": False}


async def test_the_configuration_names_only_what_answers(front: Front) -> None:
    below = await front.http.get("/fhir/.well-known/smart-configuration")
    above = await front.http.get("/.well-known/smart-configuration")
    assert below.json() == above.json()
    document = below.json()
    assert document["token_endpoint"] == f"{ORIGIN}/auth/token"
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert (await front.http.post(document[name])).status_code == 400
    assert (await front.http.get(document["jwks_uri"])).status_code == 200
