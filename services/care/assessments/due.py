"""The next assessment as a Task that any client finds, until it is done: http://hl7.org/fhir/uv/sdc/workflow.html"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.care.assessments.derived import SID, Assessed
from services.fhir.business import Context, Intent, changed, created
from services.fhir.elements import concept

Json = dict[str, Any]

_SDC: Final = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp"


async def due_again(assessed: Assessed, context: Context) -> list[Intent]:
    """One open Task for each patient and instrument: it follows the newest assessment, and is done with the next."""
    tasks = [each for each in await _open(assessed, context) if _is_for(each[0], assessed)]
    own = [(task, version) for task, version in tasks if _assessment(task) == assessed.response["id"]]
    others = [(task, version) for task, version in tasks if _assessment(task) != assessed.response["id"]]
    newer = [task for task, _ in others if _authored(task) > assessed.response["authored"][:10]]
    done = [changed(_done(task, assessed), version) for task, version in others if task not in newer]
    if own:
        return [*done, *_moved(own, assessed)]
    return done if newer else [*done, created(_task(assessed, context))]


async def none_due(response: Json, context: Context) -> list[Intent]:
    """What was entered in error asks for nothing."""
    found = await context.search("Task", [("identifier", f"{SID}|{response['id']}"), ("status", "requested")])
    return [changed({**task, "status": "entered-in-error"}, version) for task, version in found]


async def _open(assessed: Assessed, context: Context) -> list[tuple[Json, int]]:
    subject = assessed.response["subject"]["reference"]
    asked = [("subject", subject), ("status", "requested"), ("code", f"{_SDC}|complete-questionnaire")]
    return await context.search("Task", [*asked, ("identifier", f"{SID}|")])


def _is_for(task: Json, assessed: Assessed) -> bool:
    return any(each.get("valueCanonical") == assessed.instrument.url for each in task.get("input", ()))


def _assessment(task: Json) -> str:
    return next((str(each["value"]) for each in task["identifier"] if each.get("system") == SID), "")


def _authored(task: Json) -> str:
    return str(task.get("authoredOn", ""))[:10]


def _done(task: Json, assessed: Assessed) -> Json:
    output = {"type": _type("questionnaire-response"), "valueReference": assessed.reference}
    return {**task, "status": "completed", "output": [output]}


def _moved(own: Iterable[tuple[Json, int]], assessed: Assessed) -> Iterator[Intent]:
    for task, version in own:
        if task["restriction"]["period"]["end"] != assessed.last_day.isoformat():
            yield changed({**task, "restriction": _until(assessed)}, version)


def _task(assessed: Assessed, context: Context) -> Json:
    response, instrument = assessed.response, assessed.instrument
    owner = {"reference": f"Organization/{assessed.organization}"}
    return {
        "resourceType": "Task",
        "id": context.new_id(response["subject"]["reference"].rpartition("/")[2]),
        "identifier": [{"system": SID, "value": response["id"]}],
        "status": "requested",
        "intent": "plan",
        "code": {"coding": [{"system": _SDC, "code": "complete-questionnaire"}], "text": "到期复评 · Assess again"},
        "description": f"{instrument.zh}：到期复评",
        "focus": assessed.reference,
        "for": response["subject"],
        "authoredOn": response["authored"],
        "requester": owner,
        "owner": owner,
        "restriction": _until(assessed),
        "input": [{"type": _type("questionnaire"), "valueCanonical": instrument.url}],
    }


def _until(assessed: Assessed) -> Json:
    return {"period": {"end": assessed.last_day.isoformat()}}


def _type(code: str) -> Json:
    return concept(_SDC, code)
