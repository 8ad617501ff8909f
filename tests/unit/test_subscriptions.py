"""Topics, filters, secrets and signatures of subscriptions: http://hl7.org/fhir/uv/subscriptions-backport"""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.fhir.outcomes import FhirError
from services.fhir.search.registry import search_parameters
from services.fhir.subscriptions.filters import Reading, values_of
from services.fhir.subscriptions.pace import Pace, pause
from services.fhir.subscriptions.secrets import is_sealed, safe_of
from services.fhir.subscriptions.signature import SIGNATURE, TIMESTAMP, signature_headers
from services.fhir.subscriptions.topics import TOPICS, published
from services.fhir.subscriptions.wanted import read_wanted
from services.fhir.validation import validate
from tests.builders import coded, observation, task
from tests.subscriptions import subscription

BASE = "https://fhir.example.org/fhir"
READING = Reading(BASE, ZoneInfo("Asia/Shanghai"), datetime(2026, 5, 1, tzinfo=UTC))
KEY = b"0123456789abcdef-a-key-for-tests-only"
OTHER = b"another-key-0123456789-for-tests-only"
REFERRAL = coded("https://yiyang.example/fhir/CodeSystem/task-code", "referral")


def wants(criteria: str, filters: tuple[str, ...], resource: dict[str, Any]) -> bool:
    wanted = read_wanted(subscription("https://a.example/hook", criteria, *filters), READING)
    stored = {"id": "an-id", **resource}
    return wanted.wants(stored["resourceType"], values_of(stored, READING))


@pytest.mark.parametrize(
    ("criteria", "resource", "expected"),
    [
        ("Task?owner=Organization/1", task(owner={"reference": "Organization/1"}), True),
        ("Task?owner=Organization/1", task(owner={"reference": f"{BASE}/Organization/1"}), True),
        ("Task?owner=Organization/1", task(owner={"reference": "Organization/2"}), False),
        ("Task?owner=Organization/1,Organization/2", task(owner={"reference": "Organization/2"}), True),
        ("Task?owner=Organization/1", task(), False),
        ("Task?owner=Organization/1", observation(owner={"reference": "Organization/1"}), False),
        ("Task?business-status=accepted", task(at="accepted"), True),
        ("Task?business-status:not=accepted", task(at="accepted"), False),
        ("Task?business-status:not=accepted", task(at="rejected"), True),
        ("Task?status=accepted&code=referral", task(at="accepted", code=REFERRAL), True),
        ("Task?status=accepted&code=referral", task(at="accepted"), False),
        ("Task?_id=an-id", task(), True),
        ("Task?_id=another", task(), False),
        ("Task?_id:not=another", task(), True),
        ("Task?", task(), True),
        ("Observation?code=http://loinc.org|8867-4", observation(), True),
        ("Observation?code=|8867-4", observation(), False),
        ("Observation?_tag=a", observation(meta={"tag": [{"code": "a"}]}), True),
    ],
)
def test_a_filter_means_what_the_same_search_means(criteria: str, resource: dict[str, Any], *, expected: bool) -> None:
    assert wants(criteria, (), resource) is expected


def test_a_topic_triggers_by_its_own_criteria_and_narrows_by_its_filters() -> None:
    owned = task(code=REFERRAL, owner={"reference": "Organization/1"})
    assert wants("referral-changed", (), owned)
    assert wants("referral-changed", ("Task?owner=Organization/1", "Task?code=referral"), owned)
    assert not wants("referral-changed", ("Task?owner=Organization/1", "Task?code=abort"), owned)
    assert not wants("referral-changed", (), task())
    assert not wants("care-plan-changed", (), owned)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_is_a_valid_basic_and_its_filters_are_search_parameters(topic: Any) -> None:
    validate(published(topic))
    for trigger in topic.triggers:
        kinds = {search_parameters(trigger.type)[code].type for code in trigger.filters}
        assert kinds <= {"token", "reference", "uri"}


def test_too_many_criteria_are_refused() -> None:
    with pytest.raises(FhirError, match="more than 20"):
        wants("&".join(["Task?code=a", *["code=a"] * 20]), (), task())


def test_a_signature_is_over_the_time_and_the_body() -> None:
    headers = signature_headers(b"secret", b'{"a":1}', 1_700_000_000)
    mac = hmac.new(b"secret", b'1700000000.{"a":1}', "sha256").hexdigest()
    assert headers == {TIMESTAMP: "1700000000", SIGNATURE: f"sha256={mac}"}


def test_a_secret_is_opened_by_its_institution_under_any_of_the_keys() -> None:
    safe = safe_of(KEY)
    sealed = safe.sealed("Bearer t-1", "hospital")
    assert is_sealed(sealed)
    assert "Bearer" not in sealed
    assert safe.sealed(sealed, "hospital") == sealed
    assert safe_of(OTHER + b"," + KEY).opened(sealed, "hospital") == "Bearer t-1"
    for key, institution, text in ((KEY, "another", sealed), (OTHER, "hospital", sealed), (KEY, "hospital", "plain")):
        with pytest.raises(ValueError, match=r"seal|encrypt"):
            safe_of(key).opened(text, institution)


def test_pauses_double_up_to_the_longest_with_jitter() -> None:
    pace = Pace()
    whole = [pause(n, pace, lambda _least, most: most) for n in range(40)]
    assert whole[:4] == [timedelta(seconds=s) for s in (1, 2, 4, 8)]
    assert whole[-1] == max(whole) == timedelta(hours=1)
    assert pause(3, pace, lambda least, _most: least) == timedelta(seconds=4)
    assert pace.give_up == timedelta(hours=96)
