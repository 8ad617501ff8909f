"""With a key the identifiers of persons are nowhere in the tables, and everywhere where they were sent: docs/adr/0021"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from urllib.parse import urlencode

import asyncpg
import pytest
from pydantic import SecretStr

from services.fhir import reindexing
from services.fhir.search.registry import Learnt, learn
from services.fhir.store.rotation import rotate
from services.fhir.store.vault import vault_of
from services.kit.crypto import CipherName
from services.kit.identifiers import id_number
from services.kit.settings import ServiceSettings
from tests.builders import create, entry, observation, patient, transaction
from tests.house import BASE, HIS, KEY, Fhir, Response, in_one_process
from tests.service.test_search_custom import indexed, parameter
from tests.shelf import Json, Shelf

SYSTEM = "urn:oid:2.16.156.10011.1.3"
FORM = "application/x-www-form-urlencoded"
SECRET = "a key for identifiers, in tests only, long enough"


def settings(url: str, key: str | None, cipher: CipherName = "aes-256-gcm") -> ServiceSettings:
    return ServiceSettings(
        database_url=url,
        internal_key=SecretStr(KEY),
        public_base=BASE,
        identifier_key=SecretStr(key) if key else None,
        identifier_cipher=cipher,
    )


@asynccontextmanager
async def under(url: str, key: str | None) -> AsyncIterator[Fhir]:
    async with in_one_process(url, settings(url, key)) as peers:
        yield Fhir(peers, HIS)


@pytest.fixture(params=["aes-256-gcm", "sm4-gcm"])
async def sealed(request: pytest.FixtureRequest, clean_database: str) -> AsyncIterator[Fhir]:
    async with in_one_process(clean_database, settings(clean_database, SECRET, request.param)) as peers:
        yield Fhir(peers, HIS)


@pytest.fixture
def number() -> str:
    return id_number("110105", date(1949, 12, 31), secrets.randbelow(1000))


def who(number: str, **changes: object) -> Json:
    named = {
        "identifier": [{"system": SYSTEM, "value": number}],
        "name": [{"text": "王秀英"}],
        "birthDate": "1949-12-31",
    }
    return patient(**{**named, **changes})


async def search(fhir: Fhir, path: str, **form: str) -> list[str]:
    parameters = {name.replace("__", ":").replace("_dot_", "."): value for name, value in form.items()}
    answer: Response = await fhir.call("POST", f"/{path}/_search", urlencode(parameters).encode(), content_type=FORM)
    assert answer.status_code == 200, answer.text
    return [e["resource"]["id"] for e in answer.json().get("entry", ())]


async def holding(url: str, text: str) -> list[str]:
    """The tables in which a text stands."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace IN "
            "('fhir'::regnamespace, 'gateway'::regnamespace) AND pg_relation_size(oid) > 0"
        )
        return [
            t["name"]
            for t in tables
            if await connection.fetchval(f"SELECT count(*) FROM {t['name']} t WHERE t::text ILIKE $1", f"%{text}%")
        ]
    finally:
        await connection.close()


async def test_the_tables_hold_it_nowhere_and_the_answers_as_it_was_sent(
    sealed: Fhir, clean_database: str, number: str
) -> None:
    text = f'<div xmlns="http://www.w3.org/1999/xhtml">身份证 {number}</div>'
    made = await sealed.created(who(number, text={"status": "generated", "div": text}))
    assert made["identifier"][0]["value"] == number
    again = await sealed.put(f"/Patient/{made['id']}", made | {"gender": "female"})
    assert again.status_code == 200
    assert again.json()["identifier"][0]["value"] == number
    assert await holding(clean_database, number) == []
    read = (await sealed.get(f"/Patient/{made['id']}")).json()
    assert (read["identifier"][0]["value"], read["text"]["div"]) == (number, text)
    for path in ("_history/1", "_history", "$everything"):
        answer = await sealed.get(f"/Patient/{made['id']}/{path}")
        assert number in answer.text, path
        assert "~yy1." not in answer.text, path


async def test_a_body_comes_back_byte_by_byte(sealed: Fhir, clean_database: str, number: str) -> None:
    spelled = "".join(f"\\u{ord(c):04X}" for c in number[:3]) + number[3:]
    body = (
        f'{{ "resourceType":"Person",  "identifier":[{{"system":"{SYSTEM}","value":"{spelled}"}}], "active" : true }}'
    )
    made = await sealed.post("/Person", body.encode())
    assert made.status_code == 201, made.text
    answer = await sealed.get(f"/Person/{made.json()['id']}")
    assert f'"identifier":[{{"system":"{SYSTEM}","value":"{spelled}"}}]' in answer.text
    assert await holding(clean_database, number) == []
    assert await holding(clean_database, number[3:]) == []


async def test_every_kind_of_search_by_it_works(sealed: Fhir, number: str) -> None:
    made = await sealed.created(who(number))
    seen = await sealed.created(observation(subject=f"Patient/{made['id']}"))
    found = [made["id"]]
    assert await search(sealed, "Patient", identifier=f"{SYSTEM}|{number}") == found
    assert await search(sealed, "Patient", identifier=number) == found
    assert await search(sealed, "Patient", identifier=f"{SYSTEM}|") == found
    assert await search(sealed, "Patient", identifier=f"urn:another|{number}") == []
    assert await search(sealed, "Patient", identifier__not=number) == []
    assert await search(sealed, "Observation", subject__Patient_dot_identifier=f"{SYSTEM}|{number}") == [seen["id"]]
    again = await sealed.post("/Patient", who(number), if_none_exist=f"identifier={SYSTEM}|{number}")
    assert (again.status_code, again.json()["id"]) == (200, made["id"])


async def test_a_token_parameter_of_ones_own_finds_it(
    clean_database: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored before the parameter is opened to be indexed, and stands in the index as its keyed hash."""
    monkeypatch.setattr(reindexing, "FRESH_SECONDS", 0)
    async with under(clean_database, SECRET) as sealed:
        person, shelf = await sealed.created(who(number)), Shelf(sealed)
        await shelf.put(own=parameter("idno", "token", "Patient.identifier", "Patient"))
        await indexed(shelf, "own", clean_database, vault_of(settings(clean_database, SECRET)))
        assert await search(sealed, "Patient", idno=f"{SYSTEM}|{number}") == [person["id"]]
        assert await holding(clean_database, number) == []
    learn(Learnt())


async def test_one_person_is_one_patient(sealed: Fhir, number: str) -> None:
    await sealed.created(who(number))
    again = await sealed.post("/Patient", who(number))
    assert again.status_code == 200


async def test_a_transaction_finds_and_links_by_it(sealed: Fhir, clean_database: str, number: str) -> None:
    made = await sealed.created(who(number))
    seen = observation(subject=f"Patient?identifier={SYSTEM}|{number}")
    update = entry("PUT", f"Patient?identifier={SYSTEM}|{number}", who(number, gender="female"))
    answer = await sealed.post("/", transaction(create(seen), update))
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][1]["response"]["location"].split("/")[-3] == made["id"]
    assert await holding(clean_database, number) == []


async def test_what_was_sealed_for_one_resource_is_no_key_to_another(
    sealed: Fhir, clean_database: str, number: str
) -> None:
    made = await sealed.created(who(number))
    connection = await asyncpg.connect(clean_database)
    body = await connection.fetchval("SELECT body FROM fhir.patient WHERE id = $1", made["id"])
    await connection.close()
    token = body[body.index("~yy1.") :].partition('"')[0]
    moved = await sealed.created({"resourceType": "Person", "name": [{"text": token}]})
    assert (await sealed.get(f"/Person/{moved['id']}")).json()["name"][0]["text"] == token


async def rotated(url: str, key: str) -> int:
    vault = vault_of(settings(url, key))
    assert vault is not None
    connection = await asyncpg.connect(url)
    try:
        return sum([count async for _, count in rotate(connection, vault)])
    finally:
        await connection.close()


async def test_what_was_there_before_the_first_key_is_encrypted_by_the_rotation(
    clean_database: str, number: str
) -> None:
    async with under(clean_database, None) as plain:
        made = await plain.created(who(number))
        await plain.put(f"/Patient/{made['id']}", made | {"gender": "female"})
        assert "fhir.patient" in await holding(clean_database, number)
    assert await rotated(clean_database, SECRET) == 2
    assert await rotated(clean_database, SECRET) == 0, "what is done is passed over"
    assert await holding(clean_database, number) == []
    async with under(clean_database, SECRET) as fhir:
        assert await search(fhir, "Patient", identifier=number) == [made["id"]]
        assert number in (await fhir.get(f"/Patient/{made['id']}/_history")).text
        assert (await fhir.post("/Patient", who(number))).status_code == 200


async def test_a_key_is_exchanged_while_services_run(clean_database: str, number: str) -> None:
    new = "another key for identifiers, in tests only, as long"
    async with under(clean_database, SECRET) as fhir:
        made = await fhir.created(who(number))
    async with under(clean_database, f"{new},{SECRET}") as fhir:
        assert await search(fhir, "Patient", identifier=number) == [made["id"]]
        assert (await fhir.post("/Patient", who(number))).status_code == 200
        assert await rotated(clean_database, f"{new},{SECRET}") == 1
        assert await search(fhir, "Patient", identifier=f"{SYSTEM}|{number}") == [made["id"]]
    async with under(clean_database, new) as fhir:
        assert (await fhir.get(f"/Patient/{made['id']}")).json()["identifier"][0]["value"] == number
        assert await search(fhir, "Patient", identifier=f"{SYSTEM}|{number}") == [made["id"]]
        assert (await fhir.post("/Patient", who(number))).status_code == 200


async def test_a_remembered_answer_is_encrypted_too_and_comes_back_as_it_was(clean_database: str, number: str) -> None:
    """docs/adr/0035: what is answered under an Idempotency-Key is kept, and so sealed and brought under a new key like all else."""
    new = "another key for identifiers, in tests only, as long"
    async with under(clean_database, SECRET) as fhir:
        first = await fhir.post(
            "/", transaction(create(who(number))), idempotency_key="k", prefer="return=representation"
        )
        assert number in first.text
        assert await holding(clean_database, number) == []
    assert await rotated(clean_database, f"{new},{SECRET}") == 2
    async with under(clean_database, new) as fhir:
        again = await fhir.post(
            "/", transaction(create(who(number))), idempotency_key="k", prefer="return=representation"
        )
        assert (again.headers["idempotency-replayed"], again.content) == ("true", first.content)
    async with under(clean_database, None) as plain:
        await plain.post("/Patient", who(number, identifier=[]), idempotency_key="l")
