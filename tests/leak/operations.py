"""Operations look through the same predicate: http://hl7.org/fhir/R4/operationslist.html"""

from typing import TYPE_CHECKING, Any, Final

from tests.leak.model import Thing, Who

if TYPE_CHECKING:
    from tests.leak.probes import Probes

Json = dict[str, Any]
OK, FORBIDDEN, NOT_FOUND, GONE = 200, 403, 404, 410
AT_THE_PATIENTS_WISH: Final = "PATRQT"
LABEL: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


async def labels_in_use(probes: "Probes", who: Who) -> None:
    """The label of a resource that is not seen stands in no list of labels."""
    kind = probes.random.choice(("Observation", "Condition"))
    answer = await probes.call(who, "GET", f"/{kind}/$meta")
    found = {label["code"] for label in _parameter(answer.json(), "valueMeta").get("security", ())}
    things = (t for t in probes.seen(who).values() if t.type == kind)
    assert found == {s["code"] for t in things for s in t.body.get("meta", {}).get("security", ())}, (who, kind)


async def relabelled(probes: "Probes", who: Who) -> None:
    thing = probes.thing()
    if probes.model.writes(who, thing):
        return
    labels = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [LABEL]}}]}
    name = probes.random.choice(("meta-add", "meta-delete"))
    answer = await probes.call(who, "POST", f"/{thing.name}/${name}", labels)
    if not probes.model.sees(who, thing):
        assert answer.status_code == NOT_FOUND, (who, thing, answer.text)
    elif answer.status_code == OK:  # there was nothing to change, so no version was written
        assert _parameter(answer.json(), "valueMeta")["versionId"] == str(len(thing.past) + 1), (who, thing)
    else:
        assert answer.status_code == (GONE if thing.is_deleted else FORBIDDEN), (who, thing, answer.text)


async def validated(probes: "Probes", who: Who) -> None:
    thing = probes.thing()
    answer = await probes.call(who, "GET", f"/{thing.name}/$validate")
    expected = (GONE if thing.is_deleted else OK) if probes.model.sees(who, thing) else NOT_FOUND
    assert answer.status_code == expected, (who, thing, answer.text)


async def validated_to_delete(probes: "Probes", who: Who) -> None:
    """What would be said of a deletion is the same of what is out of reach and of what does not exist."""
    thing = probes.thing()
    if probes.model.sees(who, thing):
        return
    names = (thing.name, f"{thing.type}/nothing-of-this-id")
    answers = [await probes.call(who, "GET", f"/{name}/$validate?mode=delete") for name in names]
    assert answers[0].content == answers[1].content, (who, thing, answers[0].text)


async def disclosed(probes: "Probes", who: Who) -> None:
    """Who saw what of a patient is told to who sees the patient, and of no other patient."""
    asking, patient = who._replace(purpose=AT_THE_PATIENTS_WISH), probes.random.choice(probes.world.patients)
    answer = await probes.call(asking, "GET", f"/Patient/{patient}/$disclosures?_count=20")
    sees = probes.model.sees(asking, probes.model.things[f"Patient/{patient}"])
    is_whole = probes.model.grants_whole(who, "Patient")
    assert answer.status_code == (FORBIDDEN if not is_whole else OK if sees else NOT_FOUND), (
        asking,
        patient,
        answer.text,
    )
    if sees and is_whole:
        assert all(patient in _about(e["resource"]) for e in answer.json()["entry"]), (asking, patient)


async def audited(probes: "Probes", who: Who) -> None:
    """An AuditEvent is seen by the organization whose act it tells of, and by who reaches all its patients."""
    patient = probes.random.choice(probes.world.patients)
    answer = await probes.call(who, "GET", f"/AuditEvent?patient=Patient/{patient}&_count=20")
    assert answer.status_code == OK, answer.text
    for each in answer.json().get("entry", ()):
        event, about = each["resource"], _about(each["resource"])
        told = Thing(event, _organization(event), frozenset(about))
        assert probes.model.sees(who, told), (who, event)


PROBES: Final = (
    (1, labels_in_use),
    (2, relabelled),
    (2, validated),
    (1, validated_to_delete),
    (1, disclosed),
    (1, audited),
)


def _parameter(parameters: Json, value: str) -> Json:
    found: Json = next((p[value] for p in parameters.get("parameter", ()) if value in p), {})
    return found


def _about(event: Json) -> list[str]:
    places = (e.get("what", {}).get("reference", "") for e in event["entity"])
    return [place.removeprefix("Patient/") for place in places if place.startswith("Patient/")]


def _organization(event: Json) -> str:
    places = (a["who"].get("reference", "") for a in event["agent"])
    return next((p.removeprefix("Organization/") for p in places if p.startswith("Organization/")), "")
