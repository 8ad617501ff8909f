"""Criteria in place of an id find what their caller may see, and nothing else: http://hl7.org/fhir/R4/http.html#cond-update"""

from typing import TYPE_CHECKING, Any, Final

from tests.builders import batch, entry, transaction
from tests.leak.model import Thing, Who, name_of

if TYPE_CHECKING:
    from tests.leak.probes import Probes

Json = dict[str, Any]
NO_CONTENT, FORBIDDEN, NOT_FOUND, SEVERAL = 204, 403, 404, 412
NOBODY: Final = {"reference": "Patient/nobody-at-all"}
BODIES: Final[
    dict[str, Json]
] = {  # what is refused for the patient that it names, once the criteria have been looked at
    "Observation": {"status": "final", "code": {"text": "x"}, "subject": NOBODY},
    "Condition": {"subject": NOBODY},
    "Task": {"status": "draft", "intent": "order", "for": NOBODY},
}
STEPS: Final = b'[{"op":"add","path":"/language","value":"zh"}]'


async def updated_where(probes: "Probes", who: Who) -> None:
    await _alike(probes, who, "PUT")


async def created_if_none(probes: "Probes", who: Who) -> None:
    await _alike(probes, who, "POST")


async def of_several(probes: "Probes", who: Who) -> None:
    """Several are several of those that the caller sees."""
    kind, query, match = probes.condition(who)
    if kind not in BODIES or not query:
        return
    answer = await probes.call(who, "PUT", f"/{kind}?{query}", {"resourceType": kind, **BODIES[kind]})
    found = probes.matches(who, kind, match)
    if len(found) == 1:  # its id is the stored one's, or its writer may only read it
        assert answer.status_code in (FORBIDDEN, 422), (who, query, answer.text)
    else:
        refused = probes.refusal(who, {"resourceType": kind, **BODIES[kind]})
        assert answer.status_code == (SEVERAL if found else refused), (who, query, answer.text)


async def patched_where(probes: "Probes", who: Who) -> None:
    thing = probes.thing()
    if probes.model.writes(who, thing):
        return
    path = f"/{thing.type}?_id={thing.body['id']}"
    answer = await probes.call(who, "PATCH", path, STEPS, content_type="application/json-patch+json")
    assert answer.status_code == _refusal(probes, who, thing), (who, thing, answer.text)


async def in_a_bundle(probes: "Probes", who: Who) -> None:
    """Searches, reads and deletions by criteria as entries."""
    kind, query, match = probes.condition(who)
    thing = _unseen(probes, who)
    if thing is None:
        return
    body = {"resourceType": "Observation", **BODIES["Observation"]}
    sent = batch(
        entry("GET", f"{kind}?{query}&_count=1000"),
        entry("DELETE", f"{thing.type}?_id={thing.body['id']}"),
        entry("GET", f"{thing.name}/_history"),
        entry("PUT", thing.name, thing.body),
        entry("POST", "Observation", body, ifNoneExist=f"_id={thing.body['id']}"),
    )
    found, deleted, history, put, posted = (await probes.call(who, "POST", "/", sent)).json()["entry"]
    assert {name_of(e["resource"]) for e in found["resource"].get("entry", ())} == probes.matches(who, kind, match)
    statuses = [each["response"]["status"][:3] for each in (deleted, history, put, posted)]
    assert statuses == ["204", "404", "404", str(probes.refusal(who, body))], (who, thing, statuses)


async def in_a_transaction(probes: "Probes", who: Who) -> None:
    thing = _unseen(probes, who)
    if thing is None:
        return
    by_criteria = transaction(entry("DELETE", f"{thing.type}?_id={thing.body['id']}"))
    answer = await probes.call(who, "POST", "/", by_criteria)
    assert answer.json()["entry"][0]["response"]["status"][:3] == "204", (who, thing, answer.text)
    put = await probes.call(who, "POST", "/", transaction(entry("PUT", thing.name, thing.body)))
    assert put.status_code == NOT_FOUND, (who, thing, put.text)


PROBES: Final = (
    (2, updated_where), (1, created_if_none), (2, of_several), (2, patched_where), (2, in_a_bundle), (1, in_a_transaction),
)  # fmt: skip


async def _alike(probes: "Probes", who: Who, method: str) -> None:
    """What is out of reach and what does not exist lead to one answer, byte by byte."""
    thing = _unseen(probes, who)
    if thing is None or thing.type not in BODIES:
        return
    body = {"resourceType": thing.type, **BODIES[thing.type]}
    answers = []
    for wanted in (thing.body["id"], "nothing-of-this-id"):
        criteria = f"_id={wanted}"
        path, headers = (
            (f"/{thing.type}?{criteria}", {}) if method == "PUT" else (f"/{thing.type}", {"if_none_exist": criteria})
        )
        answers.append(await probes.call(who, method, path, body, **headers))
    assert answers[0].status_code == answers[1].status_code == probes.refusal(who, body), (who, thing, answers[0].text)
    assert answers[0].content == answers[1].content, (who, thing)


def _unseen(probes: "Probes", who: Who) -> Thing | None:
    thing = probes.thing()
    return None if probes.model.sees(who, thing) else thing


def _refusal(probes: "Probes", who: Who, thing: Thing) -> int:
    return FORBIDDEN if probes.model.sees(who, thing) and not thing.is_deleted else NOT_FOUND
