"""Bulk jobs bring out what their caller sees, take in what it may write, and are its own: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tests.house import BASE, Response
from tests.leak.model import Thing, Who

if TYPE_CHECKING:
    from tests.leak.probes import Probes

Json = dict[str, Any]
OK, ACCEPTED, NOT_FOUND = 200, 202, 404
TYPES: Final = ("Patient", "Observation", "Condition", "Encounter", "Consent", "Task")
NDJSON: Final = {"content_type": "application/fhir+ndjson"}
START: Final = "2020-01-01T00:00:00Z"


async def exported(probes: "Probes", who: Who) -> None:
    """All that the caller sees of the types, and what it saw before it was deleted."""
    types = probes.random.sample(TYPES, probes.random.randint(1, 3))
    level = probes.random.choice(("", "/Patient"))
    files = await _done(probes, who, f"{level}/$export?_type={','.join(types)}&_since={START}")
    expected = {n for n, t in probes.seen(who).items() if t.type in types}
    assert _names(probes, files["output"]) == expected, (who, types, _names(probes, files["output"]) ^ expected)
    gone = {e["request"]["url"] for bundle in files["deleted"] for e in bundle["entry"]}
    deleted = {t.name for t in probes.model.things.values() if t.is_deleted and t.type in types}
    assert {n for n in gone if n in probes.model.things} == {
        n for n in deleted if probes.model.sees(who, probes.model.things[n])
    }, (who, types, gone)


async def exported_by_filter(probes: "Probes", who: Who) -> None:
    kind, query, match = probes.condition(who)
    if kind not in TYPES or not query:
        return
    files = await _done(probes, who, f"/$export?_type={kind}&_typeFilter={quote(f'{kind}?{query}')}")
    expected = probes.matches(who, kind, match)
    assert _names(probes, files["output"]) == expected, (who, query, _names(probes, files["output"]) ^ expected)


async def exported_of_a_group(probes: "Probes", who: Who) -> None:
    """A list of people opens nobody's record to who exports it."""
    groups = [t for t in probes.model.things.values() if t.type == "Group" and not t.is_deleted]
    if not groups:
        return
    group = probes.random.choice([*groups, *(g for g in groups if g.author == who.organization)])
    path = f"/{group.name}/$export?_type=Patient,Observation,Condition,Encounter"
    if not probes.model.sees(who, group):
        assert (await probes.call(who, "GET", path, prefer="respond-async")).status_code == NOT_FOUND, (who, group)
        return
    members = {m["entity"]["reference"].partition("/")[2] for m in group.body.get("member", ())}
    files = await _done(probes, who, path)
    found = {n for n in _names(probes, files["output"]) if n.partition("/")[0] != "Group"}
    kinds = ("Patient", "Observation", "Condition", "Encounter")
    expected = {n for n, t in probes.seen(who).items() if t.type in kinds and t.patients & members}
    assert found == expected, (who, group, found ^ expected)


async def imported(probes: "Probes", who: Who) -> None:
    """No line writes what a request could not, and of a patient out of reach it says what it says of an unknown one."""
    things = [probes.thing() for _ in range(6)]
    kept = [t for t in things if not t.is_deleted and not probes.model.writes(who, t)]
    strangers = [p for p in probes.world.patients if not probes.model.refers(who, p)][:1]
    of = [_of(name) for patient in strangers for name in (patient, f"{patient}-unknown")]
    bodies = [*(t.body | {"language": "zh"} for t in kept), *of]
    if not bodies:
        return
    sent = b"".join(json.dumps(body).encode() + b"\n" for body in bodies)
    files = await _done(probes, who, "/$import", sent)
    assert files["output"] == [], (who, files["output"])
    told = [_of_line(files["error"], number) for number in range(1, len(bodies) + 1)]
    assert [each["code"] for each in told[: len(kept)]] == [_code(probes, who, t) for t in kept], (who, kept, told)
    assert len({json.dumps(each) for each in told[len(kept) :]}) <= 1, (who, told)


PROBES: Final = ((1, exported), (1, exported_by_filter), (1, exported_of_a_group), (1, imported))


async def _done(probes: "Probes", who: Who, path: str, body: bytes = b"") -> dict[str, list[Json]]:
    """The lines of a job's files by their kind; nobody else gets to know of it."""
    method, headers = ("POST", NDJSON) if body else ("GET", {})
    started = await probes.call(who, method, path, body, prefer="respond-async", **headers)
    assert started.status_code == ACCEPTED, (who, path, started.text)
    place = started.headers["content-location"].removeprefix(BASE)
    while (answer := await probes.call(who, "GET", place)).status_code == ACCEPTED:
        await probes.worker.work()
    assert answer.status_code == OK, (who, path, answer.text)
    manifest = answer.json()
    await _is_nobody_elses(probes, who, place, manifest)
    return {kind: await _lines(probes, who, manifest[kind]) for kind in ("output", "deleted", "error")}


async def _is_nobody_elses(probes: "Probes", who: Who, place: str, manifest: Json) -> None:
    others = [each for each in probes.world.institutions if each != who.organization]
    other = Who(probes.random.choice(others), who.purpose)
    places = [place, *(f["url"].removeprefix(BASE) for f in (*manifest["output"], *manifest["error"])[:1])]
    for each in places:
        assert (await probes.call(other, "GET", each)).status_code == NOT_FOUND, (other, each)
    assert (await probes.call(other, "DELETE", place)).status_code == NOT_FOUND, (other, place)


async def _lines(probes: "Probes", who: Who, files: list[Json]) -> list[Json]:
    answers: list[Response] = [await probes.call(who, "GET", f["url"].removeprefix(BASE)) for f in files]
    return [json.loads(line) for answer in answers for line in answer.content.splitlines()]


def _names(probes: "Probes", resources: list[Json]) -> set[str]:
    names = {f"{r['resourceType']}/{r['id']}" for r in resources}
    return {name for name in names if probes.is_ours(name)}


def _of(patient: str) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def _of_line(outcomes: list[Json], number: int) -> Json:
    """The issue that names the line, without its number."""
    begin = f"line {number}: "
    (issue,) = (i for o in outcomes for i in o["issue"] if i["diagnostics"].startswith(begin))
    text = issue["details"]["text"].partition("：")[2]
    return {**issue, "diagnostics": issue["diagnostics"].removeprefix(begin), "details": {"text": text}}


def _code(probes: "Probes", who: Who, thing: Thing) -> str:
    return "forbidden" if probes.model.sees(who, thing) else "not-found"
