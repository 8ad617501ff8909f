"""The table of the two-way referral: complete, unambiguous, and nothing beside it is allowed (docs/referral-workflow.md)."""

import itertools
from typing import Any

import pytest

from services.fhir.elements import CANONICAL, concept
from services.fhir.outcomes import FhirError
from services.fhir.terminology.shipped import shipped, shipped_system
from services.referral.clocks import Running, with_clock
from services.referral.codes import ACT, BUSINESS_STATUS, CLOSE_REASON, INPUT, OUTPUT, REJECT_REASON
from services.referral.guards import GUARDS
from services.referral.states import CHOSEN, LIVE, NEW, STATES, TERMINAL, business_status, request_status
from services.referral.workflow import ACTORS, ACTS, MOVES, RESUMED, SAME, act_of, actions, check_transition
from tests import builders

Json = dict[str, Any]
KNOWN = [NEW, *STATES]
BEFORE_CANCEL = "treating"


def task_at(state: str) -> Json | None:
    """A Task in this state; a termination was requested while it was `treating`."""
    if state == NEW:
        return None
    running = Running(resumes=BEFORE_CANCEL if state == "cancel-requested" else "")
    return with_clock({"status": STATES[state].task, "businessStatus": business_status(state)}, running)


def marked(task: Json | None, act: str) -> Json:
    """The Task with what tells this act, that changes no state, from another."""
    element, kind = ACTS[act].mark
    made = dict(task or {})
    if element == "clock":
        return with_clock(made, Running(escalated=50) if kind == "escalated" else Running(flagged=50))
    if element:
        system = INPUT if element == "input" else OUTPUT
        made[element] = [{"type": concept(system, kind), "valueString": "1"}]
    return made


def target_of(act: str, state: str) -> str:
    move = ACTS[act]
    return {SAME: state, RESUMED: BEFORE_CANCEL}.get(move.to, move.to)


def in_table(state: str, target: str, actor: str) -> bool:
    return any(m.leads(state, target, BEFORE_CANCEL) and actor in m.actors for m in MOVES)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_reached_by_the_acts_of_the_table_only(state: str, actor: Any) -> None:
    """(state × target × actor): what the table does not name is refused with what is open now."""
    before = task_at(state)
    for target in set(STATES) - {state}:
        after = task_at(target) or {}
        if in_table(state, target, actor):
            assert actor in check_transition(before, after, {actor}).actors
            continue
        with pytest.raises(FhirError) as refused:
            check_transition(before, after, {actor})
        assert refused.value.status == 422
        for move in actions(before, {actor}):
            assert move.act in refused.value.issues[0].diagnostics
            assert move.zh in refused.value.issues[0].text


@pytest.mark.parametrize(("act", "actor"), [*itertools.product([m.act for m in MOVES if not m.new], ACTORS)])
def test_every_act_is_refused_in_every_state_and_to_every_actor_that_the_table_does_not_name(
    act: str, actor: Any
) -> None:
    move = ACTS[act]
    for state in KNOWN:
        before = task_at(state)
        target = target_of(act, state)
        if target == NEW:
            continue
        after = marked(before if target == state else task_at(target), act)
        found = act_of(before, after, {actor})
        if state in move.sources and actor in move.actors and target == target_of(act, state):
            assert found is not None
            assert act in (found.act, "edit")
        else:
            assert found is None or found.act != act or actor not in found.actors


def test_a_version_that_changes_no_state_and_adds_nothing_is_no_act() -> None:
    for state in set(STATES) - {"draft"}:
        assert act_of(task_at(state), task_at(state) or {}, {"P", "F", "C", "A"}) is None


def test_an_act_that_opens_another_task_never_moves_the_one_at_hand() -> None:
    assert [m.act for m in MOVES if m.new] == ["readdress"]
    assert act_of(task_at("rejected"), task_at("submitted") or {}, {"P", "F", "C", "A"}) is None


def test_from_a_state_at_the_end_a_task_is_only_voided_or_another_one_opened() -> None:
    for state in TERMINAL - {"voided"}:
        acts = {m.act for m in MOVES if state in m.sources}
        assert acts == {"request-void", "void"} | ({"readdress"} if state == "rejected" else set())
    assert not [m.act for m in MOVES if "voided" in m.sources]


def test_an_act_is_known_by_where_it_leads_or_by_what_it_adds() -> None:
    moving = [(s, m.to) for m in MOVES for s in m.sources if m.to != SAME and not m.new]
    assert len(moving) == len(set(moving))
    staying = [(s, m.mark) for m in MOVES for s in m.sources if m.to == SAME]
    assert len(staying) == len(set(staying))


def test_what_an_emergency_never_does_is_not_open_to_it() -> None:
    stat = (task_at("received") or {}) | {"priority": "stat"}
    assert "ask" not in {m.act for m in actions(stat, {"F"})}
    assert "expire" not in {m.act for m in actions(stat, {"C"})}


def test_a_second_rebooking_and_a_third_question_are_not_open() -> None:
    missed = with_clock(task_at("no-show") or {}, Running(rebookings=1))
    assert "schedule" not in {m.act for m in actions(missed, {"F"})}
    asked = with_clock(task_at("received") or {}, Running(asks=2))
    assert "ask" not in {m.act for m in actions(asked, {"F"})}


def test_every_need_is_a_guard_and_every_guard_is_needed() -> None:
    assert {name for m in MOVES for name in m.needs} == set(GUARDS)


def test_the_states_are_those_of_the_builders_and_of_the_terminologies() -> None:
    assert {code: (s.task, s.request) for code, s in STATES.items()} == builders.STATES
    system = shipped_system(BUSINESS_STATUS)
    assert system is not None
    assert {code: c.display for code, c in system.concepts.items()} == {code: s.zh for code, s in STATES.items()}
    for name, own in (("task", "task"), ("request", "request")):
        mapped = shipped("ConceptMap", f"{CANONICAL}/ConceptMap/referral-business-status-{name}")
        assert mapped is not None
        assert {e["code"]: e["target"][0]["code"] for e in mapped["group"][0]["element"]} == {
            code: getattr(state, own) for code, state in STATES.items()
        }


def test_the_states_map_to_bser() -> None:
    mapped = shipped("ConceptMap", f"{CANONICAL}/ConceptMap/referral-business-status-bser")
    assert mapped is not None
    found = {e["code"]: tuple(t["code"] for t in e["target"]) for e in mapped["group"][0]["element"]}
    assert found == {code: state.bser for code, state in STATES.items() if state.bser}


def test_every_act_input_output_and_reason_is_a_code_of_a_shipped_system() -> None:
    acts = shipped_system(ACT)
    assert acts is not None
    assert {c: x.display for c, x in acts.concepts.items()} == {m.act: m.zh for m in MOVES}
    for system in (INPUT, OUTPUT, REJECT_REASON, CLOSE_REASON):
        assert shipped_system(system) is not None
    for move in MOVES:
        element, kind = move.mark
        marks = shipped_system({"input": INPUT, "output": OUTPUT}.get(element, ""))
        assert element in ("", "clock") or (marks is not None and kind in marks.concepts)


def test_the_end_of_one_task_is_not_the_end_of_a_request_that_another_one_still_carries() -> None:
    assert request_status("expired", others_live=False) == "revoked"
    assert request_status("expired", others_live=True) == "active"
    assert CHOSEN < LIVE
    assert not LIVE & TERMINAL
