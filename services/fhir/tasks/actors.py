"""Who a caller is to a Task, and which acts are open to it: http://hl7.org/fhir/R4/task.html#performer"""

from typing import Any, Final

from services.fhir.clockwork import is_clock
from services.fhir.tasks.table import Actor, Move, Workflow
from services.kit.caller import Caller

Json = dict[str, Any]

_PEOPLE: Final = ("Patient/", "RelatedPerson/")


def actors_of(task: Json, caller: Caller, *, is_new: bool) -> frozenset[Actor]:
    """Who it is to this Task: with no requester whoever may write it asks, but who answers; a person is never who answers."""
    if is_clock(caller):
        return frozenset({"C"})
    person, institution = caller.practitioner or "", f"Organization/{caller.organization}"
    requester, is_staff = task.get("requester", {}).get("reference"), not person.startswith(_PEOPLE)
    answers = is_staff and task.get("owner", {}).get("reference") in (institution, person)
    in_person = bool(person) and requester == person
    asks = in_person or (requester in (None, institution) and not answers) or (is_new and is_staff)
    return frozenset[Actor]((*(("P",) if asks else ()), *(("F",) if answers else ())))


def open_moves(workflow: Workflow, task: Json | None, actors: frozenset[Actor]) -> tuple[Move, ...]:
    state = workflow.state_of(task)
    return tuple(move for move in workflow.moves if state in move.from_ and actors & {*move.by})
