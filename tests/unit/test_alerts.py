"""The table of an alert's acts, the chains, and what follows from a reading that was heard (docs/monitoring.md)."""

import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.care.alerts.chain import SEVERITIES, chain_of, load_chains, read_chain
from services.care.alerts.codes import ALERT_RULE, ALERT_STATUS
from services.care.alerts.course import Course, course_of, with_course
from services.care.alerts.workflow import ACTORS, ACTS, MOVES, SAME, act_of, check_open, moved
from services.care.definition_files import DefinitionError
from services.care.monitoring.hearing import hearing
from services.care.monitoring.load import load_rules
from services.care.monitoring.rule import Event
from services.care.scoring.results import codes_of
from services.fhir.business import Heard, Wake
from services.fhir.outcomes import FhirError
from tests.builders import LOINC, UCUM, coded, observation

Json = dict[str, Any]

NOW = datetime(2024, 5, 1, 4, tzinfo=UTC)
STATES = ("", *codes_of("alert-status"))
OTHER = Course(back=NOW, step=1)


def changed(state: str, target: str, act: str) -> tuple[Course, Course]:
    """Two versions between which the act would lead, with what marks it where the state stays."""
    before = Course(state=state, raised=NOW)
    marks: dict[str, dict[str, Any]] = {"escalate": {"step": 1}, "subside": {"back": NOW}}
    return before, Course(state=target, raised=NOW, **marks.get(act, {}))


@pytest.mark.parametrize(("state", "act", "actor"), [*itertools.product(STATES, ACTS, ACTORS)])
def test_an_act_is_open_to_its_actor_in_its_states_and_in_no_other(state: str, act: str, actor: Any) -> None:
    move = ACTS[act]
    before, after = changed(state, state if move.to == SAME else move.to, act)
    if state in move.sources and actor == move.by:
        assert act_of(before, after, actor).act == act
        return
    found = ""
    with suppress(FhirError):
        found = act_of(before, after, actor).act
    assert found != act


def test_every_state_of_the_table_is_a_code_of_its_system() -> None:
    named = {state for move in MOVES for state in (*move.sources, move.to)} - {"", SAME}
    assert named == {*codes_of("alert-status")}
    assert ALERT_STATUS.endswith("alert-status")


def test_who_comes_too_late_is_told_what_is_open() -> None:
    with pytest.raises(FhirError) as refused:
        check_open("acknowledge", Course(state="acknowledged"))
    (issue,) = refused.value.issues
    assert "$arrive, $resolve" in issue.diagnostics
    assert "到场($arrive)、处置完成($resolve)" in issue.text


def test_what_is_kept_of_an_alert_is_read_as_it_was_written() -> None:
    course = Course(
        state="arrived",
        chain="high",
        step=2,
        raised=NOW,
        back=NOW + timedelta(minutes=1),
        task="Task/1",
        outcome="treated",
    )
    assert course_of(with_course({"resourceType": "DetectedIssue"}, course)) == course
    assert moved(course, "resolve", outcome="observed").state == "resolved"


def test_every_rule_has_a_chain_and_every_severity_one_of_its_own() -> None:
    chains = load_chains()
    assert {*SEVERITIES} <= chains.keys()
    for rule in load_rules().values():
        assert chain_of(rule, chains).steps[0].role == "nurse"
    assert chain_of(load_rules()["sos"], chains).priority == "stat"


@pytest.mark.parametrize(
    ("path", "to", "says"),
    [
        (("steps",), [], "a chain has a step"),
        (("steps", 0, "minutes"), 0, "each step lasts a while"),
        (("steps", 0, "role"), "cook", "Invalid enum value"),
        (("code",), "higher", "the file must be called higher.json"),
    ],
)
def test_a_file_that_is_no_chain_is_refused_with_the_reason(
    tmp_path: Path, path: tuple[str | int, ...], to: Any, says: str
) -> None:
    chain = json.loads(files("services.care.alerts").joinpath("definitions", "high.json").read_bytes())
    at = chain
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    file = tmp_path / "high.json"
    file.write_text(json.dumps(chain), encoding="utf-8")
    with pytest.raises(DefinitionError, match=says):
        read_chain(file)


class Quiet:
    """The context of a listener that finds these places held, and this device."""

    at, zone, base = NOW, ZoneInfo("Asia/Shanghai"), "http://a.example/fhir"

    def __init__(self, *held: str) -> None:
        self._held = held

    async def held(self, keys: Sequence[str]) -> Mapping[str, int]:
        return {key: 1 for key in keys if key in self._held}

    async def fetch(self, names: object) -> None:
        """Nothing is far away."""

    async def read(self, kind: str, name: str) -> tuple[Json, int] | None:
        return ({"resourceType": kind, "id": name}, 1) if name == "known" else None


def heard(code: str, value: float, unit: str, *, version: int = 1, ago: float = 0, **changes: Any) -> Heard:
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    at = (NOW - timedelta(minutes=ago)).isoformat()
    made = observation("Patient/1", id="o", code=coded(LOINC, code), valueQuantity=quantity, effectiveDateTime=at)
    return Heard("Observation", "o", version, "1", made | changes)


async def woken(each: Heard, *held: str) -> set[tuple[str, str]]:
    wakes: Sequence[Wake] = await hearing(load_rules())([each], Quiet(*held))  # type: ignore[arg-type]
    return {(wake.holder, wake.act) for wake in wakes}


PRESSURE = "Patient/1 blood-pressure-critical"
OPEN = "alert:blood-pressure-critical:Patient/1"


@pytest.mark.parametrize(
    ("reading", "held", "expected"),
    [
        (heard("8480-6", 179, "mm[Hg]"), (), set()),
        (heard("8480-6", 180, "mm[Hg]"), (), {(PRESSURE, "look")}),
        (heard("8480-6", 24, "kPa"), (), {(PRESSURE, "look")}),
        (heard("8480-6", 120, "mm[Hg]"), (OPEN,), {(PRESSURE, "look")}),
        (heard("8480-6", 200, "mm[Hg]", ago=60 * 25), (), set()),
        (heard("8480-6", 200, "mm[Hg]", status="cancelled"), (), set()),
        (heard("8480-6", 120, "mm[Hg]", version=2, status="entered-in-error"), (OPEN,), {(PRESSURE, "look")}),
        (heard("8302-2", 250, "cm"), (), set()),
        (heard("29463-7", 56, "kg"), (), {("Patient/1 weight-gain", "look")}),
        (
            heard("8867-4", 70, "/min", device={"reference": "Device/known"}),
            (),
            {("Patient/1 readings-missing watch", "watch")},
        ),
        (
            heard("8867-4", 70, "/min", ago=60 * 24 * 2, device={"reference": "Device/known"}),
            (),
            {("Patient/1 reading-unusable", "event Observation/o late")},
        ),
        (heard("8867-4", 70, "/min", ago=60 * 24 * 30, device={"reference": "Device/known"}), (), set()),
        (
            heard("8480-6", 120, "mm[Hg]", device={"reference": "Device/x"}),
            (),
            {("Patient/1 reading-unusable", "event Observation/o unknown-device")},
        ),
        (
            heard("8480-6", 200, "", device={"reference": "Device/known"}),
            (),
            {("Patient/1 reading-unusable", "event Observation/o no-unit")},
        ),
        (
            heard("8480-6", 200, "mm[Hg]", device={"reference": "Device/known"}, effectiveDateTime="2024-05-01"),
            (),
            {("Patient/1 reading-unusable", "event Observation/o no-time")},
        ),
    ],
)
async def test_what_follows_from_a_reading(
    reading: Heard, held: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    assert await woken(reading, *held) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"valueQuantity": {"value": 120, "comparator": "<", "system": UCUM, "code": "mm[Hg]"}},
    ],
)
async def test_what_is_no_reading_has_no_fault(changes: Json) -> None:
    assert await woken(heard("8480-6", 120, "mm[Hg]", device={"reference": "Device/known"}, **changes)) == set()


def call(**changes: Any) -> Heard:
    made = {
        "resourceType": "Communication",
        "id": "c",
        "status": "completed",
        "category": [coded(ALERT_RULE, "sos")],
        "subject": {"reference": "Patient/1"},
    }
    return Heard("Communication", "c", changes.pop("version", 1), "1", made | changes)


async def test_a_call_is_an_event_once_and_the_platforms_own_is_none() -> None:
    assert await woken(call()) == {("Patient/1 sos", "event Communication/c")}
    assert await woken(call(version=2)) == set()
    ours = [{"system": "https://yiyang.example/fhir/sid/alert", "value": "1"}]
    assert await woken(call(identifier=ours)) == set()
    assert await woken(call(status="entered-in-error")) == set()


def test_an_event_is_no_matter_of_readings() -> None:
    events = {code for code, rule in load_rules().items() if isinstance(rule, Event)}
    assert events == {"sos", "fall", "reading-unusable"}
