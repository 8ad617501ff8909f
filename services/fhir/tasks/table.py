"""The form of a Task's workflow in `services/fhir/definitions/workflows`: http://hl7.org/fhir/R4/task.html#statemachine

docs/quality.md shows each as a table. States are codes of `[code]-status`, kinds of input and output are codes of `task-parameter`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from services.fhir import definitions
from services.fhir.elements import CANONICAL

Json = dict[str, Any]
Actor = Literal["P", "F", "C"]

TASK_CODE: Final = f"{CANONICAL}/CodeSystem/task-code"
PARAMETER: Final = f"{CANONICAL}/CodeSystem/task-parameter"
ACTORS: Final = {"P": ("提出方", "who asked"), "F": ("承办方", "who answers"), "C": ("平台时钟", "platform clock")}
NEW: Final = ""
SAME: Final = "="


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What a file says and this form does not know is an error, not passed over."""


class State(_Form, frozen=True, kw_only=True):
    """`status` is the Task's while it is in this state."""

    code: str
    status: str
    zh: str
    en: str


class Need(_Form, frozen=True, kw_only=True):
    """What an act must bring: an element, or a new `input` or `output` of a kind; what it refers to is of a type, a code, one of `values`, final, of the same patient.

    `at_most` says how many of the kind there may have been before, and brings none. `another` is an element that names neither who asks nor the caller's institution.
    """

    element: str
    kind: str = ""
    type: str = ""
    code: str = ""
    values: tuple[str, ...] = ()
    at_most: int | None = None
    another: bool = False


class Move(_Form, frozen=True, kw_only=True):
    act: str
    zh: str
    en: str
    from_: tuple[str, ...] = msgspec.field(name="from")
    to: str
    by: tuple[Actor, ...]
    needs: tuple[Need, ...] = ()


class Clock(_Form, frozen=True, kw_only=True):
    """How long a state may last, from when it began or from when the Task was made; `act` is what the platform does then, if anything."""

    state: str
    hours: int
    since: Literal["state", "beginning"] = "state"
    act: str = ""


class Effect(_Form, frozen=True, kw_only=True):
    """What an act brings into its own commit: a resource, in which `{…}` stand for what the Task says (tasks/effects.py).

    It is written for who answers, or for who asked: that institution sees it, whatever else it sees of the patient.
    """

    act: str
    resource: Json
    author: Literal["owner", "requester"] = "owner"


class Workflow(_Form, frozen=True, kw_only=True):
    """`patient` says whether the Task must name one."""

    code: str
    version: str
    zh: str
    en: str
    source: str
    confidence: str
    patient: Literal["required", "optional"]
    states: tuple[State, ...]
    moves: tuple[Move, ...]
    clocks: tuple[Clock, ...] = ()
    effects: tuple[Effect, ...] = ()

    @property
    def system(self) -> str:
        return f"{CANONICAL}/CodeSystem/{self.code}-status"

    def state(self, code: str) -> State:
        return next(each for each in self.states if each.code == code)

    def state_of(self, task: Json | None) -> str:
        """NEW for no Task; the first of its status where it names no state."""
        if task is None:
            return NEW
        codings = task.get("businessStatus", {}).get("coding", ())
        named = next((str(c.get("code")) for c in codings if c.get("system") == self.system), None)
        return named or next((each.code for each in self.states if each.status == task.get("status")), "?")

    def clock(self, state: str) -> Clock | None:
        return next((each for each in self.clocks if each.state == state), None)


@cache
def workflows() -> Mapping[str, Workflow]:
    """By the code of the Task. Raise ValueError at the first file that is wrong."""
    folder = files(definitions).joinpath("workflows")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".json"))
    found = [msgspec.json.decode(folder.joinpath(name).read_bytes(), type=Workflow) for name in names]
    for each in found:
        if wrong := [*problems(each)]:
            raise ValueError(f"{each.code}: {'; '.join(wrong)}")
    return {each.code: each for each in found}


def workflow_of(task: Json | None) -> Workflow | None:
    codings = (task or {}).get("code", {}).get("coding", ())
    return next(
        (w for c in codings if c.get("system") == TASK_CODE and (w := workflows().get(c.get("code", "")))), None
    )


def problems(workflow: Workflow) -> Iterator[str]:
    states, acts = {each.code for each in workflow.states}, {each.act for each in workflow.moves}
    for move in workflow.moves:
        unknown = {*move.from_, move.to} - states - {NEW, SAME}
        if unknown:
            yield f"{move.act}: no state {', '.join(sorted(unknown))}"
    for clock in workflow.clocks:
        if clock.state not in states or (clock.act and clock.act not in acts):
            yield f"the clock of {clock.state} names what is not there"
    for effect in workflow.effects:
        if effect.act not in acts:
            yield f"the effect of {effect.act} is of no act"
