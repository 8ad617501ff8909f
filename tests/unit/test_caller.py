"""The signature of the gateway on the Caller is worth one request, for thirty seconds, and nothing else."""

from itertools import pairwise

import pytest

from services.kit import caller as signing
from services.kit.caller import Caller, CallerRefusedError, check_key, sign, verify

KEY = bytes(range(64, 96))
NOW = 1_800_000_000.0
CLINIC = Caller("clinic-his", "Organization-3", None, ("system/*.rs", "system/Task.cruds"), "TREAT", "req-1", "jti-1")
TARGET = "/fhir/Observation?code=http://loinc.org|8867-4"
BODY = '{"resourceType":"Observation","note":"龘"}'.encode()


def signed() -> str:
    return sign(CLINIC, "POST", TARGET, BODY, KEY, NOW)


def test_the_service_reads_the_very_caller_that_the_gateway_signed() -> None:
    assert verify(signed(), "POST", TARGET, BODY, KEY, NOW + 1) == CLINIC


def test_a_practitioner_travels_with_the_caller() -> None:
    person = Caller("portal", "Organization-1", "Practitioner/7", ("user/*.rs",), "ETREAT", "req-2", "jti-2")
    assert verify(sign(person, "GET", "/fhir", b"", KEY, NOW), "GET", "/fhir", b"", KEY, NOW) == person


@pytest.mark.parametrize(
    ("method", "target", "body", "key"),
    [
        ("PUT", TARGET, BODY, KEY),
        ("POST", TARGET + "&_count=1", BODY, KEY),
        ("POST", TARGET, BODY + b" ", KEY),
        ("POST", TARGET, b"", KEY),
        ("POST", TARGET, BODY, KEY[::-1]),
    ],
    ids=["method", "target", "body", "no body", "key"],
)
def test_it_holds_for_no_other(method: str, target: str, body: bytes, key: bytes) -> None:
    with pytest.raises(CallerRefusedError):
        verify(signed(), method, target, body, key, NOW)


@pytest.mark.parametrize("now", [NOW + signing.LIFE_MS / 1000 + 1, NOW - signing.AHEAD_MS / 1000 - 1])
def test_it_holds_at_no_other_time(now: float) -> None:
    with pytest.raises(CallerRefusedError):
        verify(signed(), "POST", TARGET, BODY, KEY, now)


@pytest.mark.parametrize("part", range(4))
def test_none_of_its_parts_can_be_exchanged(part: int) -> None:
    other = Caller("clinic-his", "Organization-9", None, ("system/*.cruds",), "TREAT", "req-9", "jti-9")
    mine, theirs = signed().split(";"), sign(other, "POST", TARGET, BODY, KEY, NOW + 1).split(";")
    mine[part] = theirs[part]
    with pytest.raises(CallerRefusedError):
        verify(";".join(mine), "POST", TARGET, BODY, KEY, NOW)


@pytest.mark.parametrize("header", ["", ";", ";;;", "a;b;c;d", "龘;b;c;d", "x" * 10_000])
def test_anything_else_is_refused(header: str) -> None:
    with pytest.raises(CallerRefusedError):
        verify(header, "POST", TARGET, BODY, KEY, NOW)


@pytest.mark.parametrize("request_id", ["", "a;b", "a\nb", "x" * 65, "ä"])
def test_a_request_id_that_could_forge_a_part_is_not_signed(request_id: str) -> None:
    with pytest.raises(ValueError, match="request id"):
        sign(Caller("c", "o", None, (), "TREAT", request_id, "j"), "GET", "/", b"", KEY, NOW)


@pytest.mark.parametrize("key", [b"", b"short", bytes(32), b"changemechangemechangemechangeme"])
def test_a_weak_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        check_key(key)


def test_a_key_is_exchanged_for_another_while_requests_go_on() -> None:
    old, new = KEY, KEY[::-1]
    steps = [old, old + b"," + new, new + b"," + old, new]
    for one, next_one in pairwise(steps):
        for at_the_gateway, at_the_service in ((one, next_one), (next_one, one)):
            header = sign(CLINIC, "POST", TARGET, BODY, at_the_gateway, NOW)
            assert verify(header, "POST", TARGET, BODY, at_the_service, NOW) == CLINIC
    with pytest.raises(CallerRefusedError):
        verify(sign(CLINIC, "POST", TARGET, BODY, old, NOW), "POST", TARGET, BODY, new, NOW)


@pytest.mark.parametrize("key", [KEY + b",", b"," + KEY, KEY + b",short"])
def test_each_of_two_keys_must_be_strong(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        check_key(key)


def test_a_random_key_is_taken() -> None:
    assert check_key(KEY) == KEY
