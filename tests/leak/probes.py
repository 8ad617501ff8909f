"""Random requests over the whole grammar, each with what the model expects of its answer: http://hl7.org/fhir/R4/http.html"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from services.fhir.bulk.worker import Worker
from tests.builders import batch, entry, transaction
from tests.house import BASE, Response
from tests.leak import conditionals, jobs, links, notifications, operations, parts
from tests.leak.listeners import versions_of
from tests.leak.model import Model, Thing, Who, name_of
from tests.leak.world import CODES, World

Json = dict[str, Any]
Match = Callable[[Thing], bool]
OK = 200
DOORS = (*jobs.PROBES, *conditionals.PROBES, *links.PROBES, *operations.PROBES, *notifications.PROBES, *parts.PROBES)
"""(weight, probe) of each door that has a module of its own; who opens another one lists its PROBES here."""
SORTS = {
    "Patient": ("gender", "-birthdate"), "Observation": ("date", "-code", "patient"), "Condition": ("code", "-subject"),
    "Encounter": ("status", "-date"), "Task": ("status", "-patient"),
}  # fmt: skip
SEARCHED = ("Patient", "Observation", "Condition", "Encounter", "Task", "Consent", "Appointment", "Provenance", "Group")


class Probes:
    """Requests of one world, which they leave as it is; `asked` counts them."""

    def __init__(self, world: World, worker: Worker) -> None:
        self.world = world
        self.worker = worker
        self.random = world.random
        self.model: Model = world.model
        self.asked = 0
        self._seen: dict[Who, Mapping[str, Thing]] = {}
        self._kinds: tuple[tuple[int, Callable[[Who], Awaitable[None]]], ...] = (
            (30, self.search), (14, self.read), (8, self.included), (6, self.paged), (5, self.history), (4, self.vread),
            (4, self.everything), (2, self.summary), (4, self.in_a_batch), (3, self.type_history), (3, self.update), (3, self.remove),
            (3, self.by_criteria), (2, self.patch), (2, self.refer_to), (2, self.by_reference), (2, self.meta), (2, self.create_if_none),
            (2, self.sorted_and_counted), (4, self.in_a_compartment), (4, self.over_types), (2, self.in_a_transaction),
        )  # fmt: skip

    async def one(self) -> None:
        """One request of a random caller, compared with the model."""
        doors = [(weight, partial(probe, self)) for weight, probe in DOORS]
        weights, kinds = zip(*self._kinds, *doors, strict=True)
        await self.random.choices(kinds, weights)[0](self.world.anyone())

    async def call(self, who: Who, method: str, path: str, body: Json | bytes = b"", **headers: str) -> Response:
        self.asked += 1
        return await self.world.caller(who).call(method, path, body, **headers)

    def thing(self) -> Thing:
        return self.random.choice([*self.model.things.values()])

    def seen(self, who: Who) -> Mapping[str, Thing]:
        if who not in self._seen:
            self._seen[who] = self.model.seen(who)
        return self._seen[who]

    # ---- reads ---------------------------------------------------------------------------------------------------------------

    async def read(self, who: Who) -> None:
        thing = self.thing()
        answer = await self.call(who, "GET", f"/{thing.name}")
        expected = (410 if thing.is_deleted else 200) if self.model.sees(who, thing) else 404
        assert answer.status_code == expected, (who, thing, answer.text)

    async def vread(self, who: Who) -> None:
        thing = self.thing()
        version = self.random.randrange(len(thing.past) + 1) + 1
        answer = await self.call(who, "GET", f"/{thing.name}/_history/{version}")
        expected = 200 if self.model.sees_version(who, thing, version) else 404
        assert answer.status_code == expected, (who, thing, answer.text)

    async def history(self, who: Who) -> None:
        thing = self.thing()
        answer = await self.call(who, "GET", f"/{thing.name}/_history")
        expected = sum(self.model.sees_version(who, thing, n) for n in range(1, versions_of(thing) + 1))
        if not expected:
            assert answer.status_code == 404, (who, thing, answer.text)
            return
        assert len(answer.json()["entry"]) == expected, (who, thing)

    async def type_history(self, who: Who) -> None:
        kind = self.random.choice(("", *SEARCHED))
        found = await self.pages(who, f"/{kind}/_history?_count=1000" if kind else "/_history?_count=1000")
        names = {each["request"]["url"] if "resource" not in each else name_of(each["resource"]) for each in found}
        names = {name.removeprefix(f"{BASE}/") for name in names if self.is_ours(name)}
        expected = {n for n, t in self.model.things.items() if self.model.sees(who, t) and kind in ("", t.type)}
        assert names == expected, (who, kind, names ^ expected)

    async def everything(self, who: Who) -> None:
        patient = self.model.things[f"Patient/{self.random.choice(self.world.patients)}"]
        answer = await self.call(who, "GET", f"/{patient.name}/$everything?_count=1000")
        if not self.model.sees(who, patient):
            assert answer.status_code == 404, (who, patient, answer.text)
            return
        seen = self.seen(who)
        found = {name_of(e["resource"]) for e in answer.json().get("entry", ()) if e["search"]["mode"] == "match"}
        expected = {n for n, t in seen.items() if patient.body["id"] in t.patients}
        listed = {n for n in found if n.partition("/")[0] != "Group"}
        assert listed == expected, (who, patient, listed ^ expected)
        self.only_seen(who, answer)

    async def summary(self, who: Who) -> None:
        patient = self.model.things[f"Patient/{self.random.choice(self.world.patients)}"]
        answer = await self.call(who, "GET", f"/{patient.name}/$summary")
        if not self.model.grants_whole(who, "Patient"):
            assert answer.status_code == 403, (who, patient, answer.text)
            return
        if not self.model.sees(who, patient):
            assert answer.status_code == 404, (who, patient, answer.text)
            return
        self.only_seen(who, answer)

    async def meta(self, who: Who) -> None:
        thing = self.thing()
        answer = await self.call(who, "GET", f"/{thing.name}/$meta")
        expected = (410 if thing.is_deleted else 200) if self.model.sees(who, thing) else 404
        assert answer.status_code == expected, (who, thing, answer.text)

    # ---- searches ------------------------------------------------------------------------------------------------------------

    async def search(self, who: Who) -> None:
        kind, query, match = self.condition(who)
        expected = self.matches(who, kind, match)
        if self.random.random() < 0.2:
            kind_of_form = {"content_type": "application/x-www-form-urlencoded"}
            answer = await self.call(who, "POST", f"/{kind}/_search", f"{query}&_count=1000".encode(), **kind_of_form)
        else:
            answer = await self.call(who, "GET", f"/{kind}?{query}&_count=1000")
        assert answer.status_code == 200, answer.text
        assert self.listed(answer, "match") == expected, (who, kind, query, self.listed(answer, "match") ^ expected)
        self.only_seen(who, answer)

    async def sorted_and_counted(self, who: Who) -> None:
        kind, query, match = self.condition(who)
        expected = self.matches(who, kind, match)
        counted = await self.call(who, "GET", f"/{kind}?{query}&_summary=count")
        assert counted.json()["total"] == len(expected), (who, kind, query)
        sort = self.random.choice(("-_lastUpdated", *SORTS.get(kind, ())))
        listed = await self.call(who, "GET", f"/{kind}?{query}&_sort={sort}&_total=accurate&_count=1000")
        assert listed.json()["total"] == len(expected)
        assert self.listed(listed, "match") == expected

    async def paged(self, who: Who) -> None:
        kind, query, match = self.condition(who)
        found = await self.pages(who, f"/{kind}?{query}&_count=3&_sort={self.random.choice(('_id', '-_lastUpdated'))}")
        names = [name_of(e["resource"]) for e in found if e["search"]["mode"] == "match"]
        assert len(names) == len({*names})
        assert {*names} == self.matches(who, kind, match), (who, kind, query)

    async def included(self, who: Who) -> None:
        """What comes along is seen by itself, and what is not seen leads nowhere."""
        seen = self.seen(who)
        forth = self.random.random() < 0.5
        kind, way = (
            ("Observation", "_include=Observation:subject") if forth else ("Patient", "_revinclude=Observation:patient")
        )
        if not forth and self.random.random() < 0.5:
            way += "&_revinclude:iterate=Provenance:target"
        answer = await self.call(who, "GET", f"/{kind}?_count=1000&{way}")
        matches = {n for n, t in seen.items() if t.type == kind}
        assert self.listed(answer, "match") == matches, (who, way)
        if forth:
            expected = {s for n in matches if (s := reference_of(seen[n], "subject")) and s in seen}
        else:
            expected = {n for n, t in seen.items() if t.type == "Observation" and reference_of(t, "subject") in matches}
            if "iterate" in way:
                expected |= _attesting(seen, matches | expected)
        assert self.listed(answer, "include") == expected, (who, way, self.listed(answer, "include") ^ expected)

    async def in_a_compartment(self, who: Who) -> None:
        """http://hl7.org/fhir/R4/search.html#searchcontexts"""
        patient, kind = (
            self.random.choice(self.world.patients),
            self.random.choice(("Observation", "Condition")),
        )
        answer = await self.call(who, "GET", f"/Patient/{patient}/{kind}?_count=1000")
        expected = {n for n, t in self.seen(who).items() if t.type == kind and patient in t.patients}
        found = self.listed(answer, "match")
        assert found == expected, (who, patient, kind, answer.status_code, found ^ expected)

    async def over_types(self, who: Who) -> None:
        """http://hl7.org/fhir/R4/search.html#all"""
        answer = await self.call(
            who, "GET", "?_type=Observation,Condition,Encounter,Consent&_count=1000&_total=accurate"
        )
        assert answer.status_code == OK, answer.text
        expected = {
            n for n, t in self.seen(who).items() if t.type in ("Observation", "Condition", "Encounter", "Consent")
        }
        assert self.listed(answer, "match") == expected, (who, self.listed(answer, "match") ^ expected)
        assert answer.json()["total"] == len(expected)

    def condition(self, who: Who) -> tuple[str, str, Match]:
        seen = self.seen(who)
        patient, code = f"Patient/{self.random.choice(self.world.patients)}", self.random.choice(CODES)
        gender, any_id = self.random.choice(("male", "female")), self.thing().body["id"]
        owner = self.random.choice(self.world.institutions)

        def is_of(gender: str) -> Match:
            return lambda t: (
                (p := seen.get(reference_of(t, "subject") or "")) is not None and p.body.get("gender") == gender
            )

        def has(kind: str, name: str, test: Match) -> Match:
            return lambda t: any(s.type == kind and reference_of(s, name) == t.name and test(s) for s in seen.values())

        has_code: Match = lambda t: _code_of(t) == code  # noqa: E731
        choices: tuple[tuple[str, str, Match], ...] = (
            (self.random.choice(SEARCHED), "", lambda _: True),
            ("Observation", f"code={code}", has_code),
            ("Observation", f"code:not={code}", lambda t: _code_of(t) != code),
            ("Observation", f"patient={patient}", lambda t: reference_of(t, "subject") == patient),
            ("Condition", f"subject={patient}&code={code}", lambda t: reference_of(t, "subject") == patient and has_code(t)),
            ("Observation", f"focus={patient}", lambda t: any(f["reference"] == patient for f in t.body.get("focus", ()))),
            ("Observation", f"subject:Patient.gender={gender}", is_of(gender)),
            ("Condition", f"patient.gender={gender}&code={code}", lambda t: is_of(gender)(t) and has_code(t)),
            ("Observation", f"subject:Patient._has:Condition:patient:code={code}",
             lambda t: (p := seen.get(reference_of(t, "subject") or "")) is not None and has("Condition", "subject", has_code)(p)),
            ("Patient", f"_has:Observation:patient:code={code}", has("Observation", "subject", has_code)),
            ("Patient", f"gender={gender}&_has:Condition:patient:code={code}",
             lambda t: t.body.get("gender") == gender and has("Condition", "subject", has_code)(t)),
            ("Patient", "_has:Task:patient:status=requested,accepted",
             has("Task", "for", lambda t: t.body["status"] in ("requested", "accepted"))),
            ("Patient", f"_id={any_id}", lambda t: t.body["id"] == any_id),
            ("Observation", f"_filter=code eq {code}".replace(" ", "%20"), has_code),
            ("Observation", f"_security={'V'}", lambda t: any(s["code"] == "V" for s in t.body.get("meta", {}).get("security", ()))),
            ("Task", f"patient={patient}", lambda t: reference_of(t, "for") == patient),
            ("Appointment", f"patient={patient}", lambda t: any(p["actor"]["reference"] == patient for p in t.body["participant"])),
            ("Encounter", "subject:missing=false", lambda _: True),
            ("Provenance", f"target:Observation.code={code}", lambda t: (o := seen.get(_target(t))) is not None and o.type == "Observation" and has_code(o)),
            ("Group", f"member:Patient.gender={gender}",
             lambda t: any((p := seen.get(m)) is not None and p.body.get("gender") == gender for m in _members(t))),
            ("Patient", "_has:Group:member:type=person", lambda t: any(g.type == "Group" and t.name in _members(g) for g in seen.values())),
            ("Patient", f"_has:Observation:patient:_has:Provenance:target:_id={any_id}",
             has("Observation", "subject", lambda o: any(s.type == "Provenance" and s.body["id"] == any_id and _target(s) == o.name for s in seen.values()))),
            ("Task", f"owner:Organization.name={owner}&patient={patient}",
             lambda t: f"Organization/{owner}" in seen and reference_of(t, "owner") == f"Organization/{owner}" and reference_of(t, "for") == patient),
        )  # fmt: skip
        return self.random.choice(choices)

    def matches(self, who: Who, kind: str, match: Match) -> set[str]:
        return {n for n, t in self.seen(who).items() if t.type == kind and match(t)}

    # ---- writes that are refused, and reads by other doors ---------------------------------------------------------------------

    async def update(self, who: Who) -> None:
        """Out of reach is 404, what can only be read 403; here nothing is ever written."""
        thing = self.thing()
        if self.model.writes(who, thing):
            return
        answer = await self.call(who, "PUT", f"/{thing.name}", thing.body)
        assert answer.status_code == (403 if self.model.sees(who, thing) else 404), (who, thing, answer.text)

    async def patch(self, who: Who) -> None:
        thing = self.thing()
        if self.model.writes(who, thing):
            return
        steps = b'[{"op":"add","path":"/language","value":"zh"}]'
        answer = await self.call(who, "PATCH", f"/{thing.name}", steps, content_type="application/json-patch+json")
        assert answer.status_code == (403 if self.model.sees(who, thing) else 404), (who, thing, answer.text)

    async def remove(self, who: Who) -> None:
        thing = self.thing()
        if self.model.writes(who, thing):
            return
        answer = await self.call(who, "DELETE", f"/{thing.name}")
        assert answer.status_code == (403 if self.model.sees(who, thing) else 204), (who, thing, answer.text)

    async def by_criteria(self, who: Who) -> None:
        """A conditional delete of what is out of reach finds nothing."""
        thing = self.thing()
        if self.model.sees(who, thing) and not thing.is_deleted:
            return
        answer = await self.call(who, "DELETE", f"/{thing.type}?_id={thing.body['id']}")
        assert answer.status_code == 204, (who, thing, answer.text)

    async def create_if_none(self, who: Who) -> None:
        """What is there and in reach is answered; what is out of reach would be made once more, so only its refusal is asked for."""
        thing = self.thing()
        if thing.is_deleted or not self.model.sees(who, thing):
            return
        answer = await self.call(who, "POST", f"/{thing.type}", thing.body, if_none_exist=f"_id={thing.body['id']}")
        assert answer.status_code == 200, (who, thing, answer.text)
        assert answer.json()["id"] == thing.body["id"]

    async def refer_to(self, who: Who) -> None:
        """A patient out of reach is refused exactly as an unknown one is."""
        patient = self.random.choice(self.world.patients)
        if self.model.refers(who, patient):
            return
        body: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        answers = [
            await self.call(who, "POST", "/Observation", body | {"subject": {"reference": f"Patient/{each}"}})
            for each in (patient, f"{patient}-unknown")
        ]
        assert answers[0].status_code == answers[1].status_code == self.refusal(who, body), answers[0].text
        assert answers[0].content == answers[1].content

    def refusal(self, who: Who, body: Json) -> int:
        """Of what names a patient who is out of reach, or nobody: first it is looked whether such a resource may be written."""
        return 422 if self.model.grants_body(who, body) else 403

    async def by_reference(self, who: Who) -> None:
        """A conditional reference finds what its writer may see, and nothing else."""
        patient = f"Patient/{self.random.choice(self.world.patients)}"
        if self.model.sees(who, self.model.things[patient]):
            return
        body: Json = {
            "resourceType": "Basic",
            "code": {"text": "x"},
            "subject": {"reference": f"Patient?_id={patient.partition('/')[2]}"},
        }
        answer = await self.call(who, "POST", "/", transaction(entry("POST", "Basic", body)))
        assert answer.status_code == 412, (who, patient, answer.text)

    async def in_a_transaction(self, who: Who) -> None:
        thing = self.thing()
        answer = await self.call(who, "POST", "/", transaction(entry("GET", thing.name)))
        expected = (410 if thing.is_deleted else OK) if self.model.sees(who, thing) else 404
        assert answer.status_code == expected, (who, thing, answer.text)

    async def in_a_batch(self, who: Who) -> None:
        things = [self.thing() for _ in range(5)]
        answer = await self.call(who, "POST", "/", batch(*(entry("GET", t.name) for t in things)))
        statuses = [each["response"]["status"][:3] for each in answer.json()["entry"]]
        expected = [("410" if t.is_deleted else "200") if self.model.sees(who, t) else "404" for t in things]
        assert statuses == expected, (who, things)

    # ---- answers ---------------------------------------------------------------------------------------------------------------

    async def pages(self, who: Who, path: str) -> list[Json]:
        found: list[Json] = []
        following: str | None = path
        while following:
            answer = await self.call(who, "GET", following)
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            found += bundle.get("entry", ())
            following = next(
                (each["url"].removeprefix(BASE) for each in bundle["link"] if each["relation"] == "next"), None
            )
        return found

    def listed(self, answer: Response, mode: str) -> set[str]:
        entries = answer.json().get("entry", ())
        return {
            name_of(e["resource"])
            for e in entries
            if e["search"]["mode"] == mode and self.is_ours(name_of(e["resource"]))
        }

    def is_ours(self, name: str) -> bool:
        """Not of the directory, which other worlds write to as well."""
        return name.removeprefix(f"{BASE}/") in self.model.things

    def only_seen(self, who: Who, answer: Response) -> None:
        """Nothing in the answer that the model knows and the caller may not see."""
        seen = self.seen(who)
        for each in answer.json().get("entry", ()):
            name = name_of(each["resource"])
            assert name in seen or name not in self.model.things, (who, name)


def reference_of(thing: Thing, element: str) -> str | None:
    found = thing.body.get(element)
    return str(found["reference"]) if isinstance(found, dict) and "reference" in found else None


def _attesting(seen: Mapping[str, Thing], reached: set[str]) -> set[str]:
    """The Provenances of what is reached, theirs, and so on."""
    found: set[str] = set()
    newest = reached
    while newest:
        newest = {n for n, t in seen.items() if t.type == "Provenance" and _target(t) in newest} - found - reached
        found |= newest
    return found


def _members(thing: Thing) -> list[str]:
    return [each["entity"]["reference"] for each in thing.body.get("member", ())]


def _target(thing: Thing) -> str:
    return str(thing.body["target"][0]["reference"])


def _code_of(thing: Thing) -> str | None:
    coding = thing.body.get("code", {}).get("coding", ())
    return coding[0]["code"] if coding else None
