"""A world on a real server: institutions that admit, refer, agree, deny and label at random, each step told to the model too."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from services.fhir.access.consent import CATEGORIES
from services.fhir.elements import concept
from services.fhir.subscriptions.notifier import Notifier
from services.referral.codes import TASK_CODE
from services.referral.rules import AGREED
from services.referral.states import STATES, business_status
from tests.house import Fhir, Response
from tests.leak.limits import LIMITS
from tests.leak.listeners import Listeners
from tests.leak.model import Denial, Grant, Model, Thing, Who
from tests.receiver import Receiver

Json = dict[str, Any]

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVE = "https://yiyang.example/fhir/CodeSystem/sensitive-category"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TYPES = "http://hl7.org/fhir/resource-types"
LABELS = {"N": CONFIDENTIALITY, "R": CONFIDENTIALITY, "V": CONFIDENTIALITY, "hospice": SENSITIVE}
PURPOSES = ("TREAT", "TREAT", "TREAT", "HOPERAT", "HRESCH", "ETREAT")
CODES = ("8867-4", "29463-7", "8310-5")
TREAT = frozenset({"TREAT", "CLINTRL", "COC", "ETREAT", "ERTREAT", "BTG"})
SHARED = (None, None, frozenset({"Observation"}), frozenset({"Patient", "Condition", "Encounter"}))
PACKAGE, RECORD = ("requested", "received"), ("accepted", "in-progress", "completed")


class World:
    """Institutions, elders and what is written of them."""

    def __init__(self, fhir: Fhir, random: Random, name: str, notifier: Notifier, receiver: Receiver) -> None:
        self.fhir = fhir
        self.random = random
        self.model = Model()
        self.name = name
        self.listeners = Listeners(self.model, random, notifier, receiver)
        self.institutions = [f"{name}-{n}" for n in range(4)]
        self.patients: list[str] = []
        self.proxies: list[str] = []

    def caller(self, who: Who) -> Fhir:
        """A person comes in by the portal of an institution, and may nothing that this one may."""
        scopes = LIMITS[who.limit].scopes if who.limit else self.fhir.caller.scopes
        own = {"client": who.organization, "purpose": who.purpose, "scopes": scopes}
        if "/" in who.organization:
            return self.fhir.as_(organization=self.institutions[0], practitioner=who.organization, **own)
        return self.fhir.as_(organization=who.organization, **own)

    def anyone(self) -> Who:
        """Mostly an institution; sometimes an elder, or a relative whom one has let in. Now and then its scopes grant a part only."""
        limit = self.random.choice([*LIMITS]) if self.random.random() < 0.3 else ""
        return self._anyone()._replace(limit=limit)

    def _anyone(self) -> Who:
        draw = self.random.random()
        if draw < 0.1:
            return self.herself(self.random.choice(self.patients))
        if draw < 0.2 and self.proxies:
            return Who(self.random.choice(self.proxies), "FAMRQT")
        return Who(self.random.choice(self.institutions), self.random.choice(PURPOSES))

    def herself(self, patient: str) -> Who:
        return Who(f"Patient/{patient}", "PATRQT")

    def one_in_care(self) -> Who:
        return Who(self.random.choice(self.institutions), "TREAT")

    def writer_and_patient(self) -> tuple[Who, str]:
        """Mostly two who know each other: what is refused at once leads to no further question."""
        pairs = [(Who(each, "TREAT"), patient) for each in self.institutions for patient in self.patients]
        known = [pair for pair in pairs if self.model.refers(*pair)]
        strangers = [pair for pair in known if not self.model.founds(*pair)]
        return self.random.choice(self.random.choices((known, strangers or known, pairs), (6, 3, 1))[0])

    def holder(self, patient: str) -> str:
        """An institution that has a basis for the patient, mostly."""
        holders = sorted({g.organization for g in self.model.grants if g.patient == patient})
        return self.random.choice(holders if holders and self.random.random() < 0.8 else self.institutions)

    async def build(self, steps: int) -> None:
        for organization in self.institutions:
            who = Who(organization, "TREAT")
            await self.put(who, {"resourceType": "Organization", "id": organization, "name": organization}, ())
            await self.admit(who)
        await self.subscribe()
        acts = (
            self.observe, self.observe, self.observe, self.visit, self.visit, self.refer, self.refer, self.agree, self.deny,
            self.withdraw, self.meet, self.attest, self.group, self.move_on, self.relabel, self.delete, self.supervise,
            self.entrust, self.tell,
        )  # fmt: skip
        for _ in range(steps):
            await self.random.choice(acts)()
            if self.random.random() < 0.05:
                await self.listeners.settle()
        await self.listeners.settle()
        self.listeners.forget()

    async def subscribe(self) -> None:
        """Each lets itself be told of some types; a Subscription is its institution's alone."""
        written = []
        for organization in self.institutions:
            purpose, limit, body = self.listeners.asked()
            who = Who(organization, purpose, limit)
            if thing := await self.write(who, body, ()):
                written.append((who, thing))
        await self.listeners.begin(written)
        for who, thing in written:  # the platform has made it active
            thing.past.append(thing.body)
            thing.body = (await self.caller(who).get(f"/{thing.name}")).json()
            assert thing.body["status"] == "active", thing

    # ---- what institutions do ------------------------------------------------------------------------------------------------

    async def admit(self, who: Who) -> None:
        """A person who is new here."""
        patient = f"{self.name}-p{len(self.patients)}"
        body = {"resourceType": "Patient", "id": patient, "gender": self.random.choice(("male", "female"))}
        self.patients.append(patient)
        await self.put(who, body, (patient,))
        self.model.grants.append(Grant(patient, who.organization, f"Patient/{patient}"))

    async def observe(self) -> None:
        (who, patient), kind = self.writer_and_patient(), self.random.choice(("Observation", "Condition"))
        body: Json = {
            "resourceType": kind,
            "subject": {"reference": f"Patient/{patient}"},
            "code": _code(self.random.choice(CODES)),
        }
        if kind == "Observation":
            body["status"] = "final"
            if self.random.random() < 0.2:  # what is in focus widens nothing
                body["focus"] = [{"reference": f"Patient/{self.random.choice(self.patients)}"}]
        await self.write(who, body, (patient,), label=True)

    async def visit(self) -> None:
        """A stay at oneself or at another, which opens a basis only where the writer has one."""
        who, patient = self.writer_and_patient()
        at = self.random.choice((who.organization, *self.institutions))
        kind = self.random.choice(("Encounter", "EpisodeOfCare"))
        body: Json = {
            "resourceType": kind,
            "subject" if kind == "Encounter" else "patient": {"reference": f"Patient/{patient}"},
        }
        where = {"reference": f"Organization/{at}"}
        if kind == "Encounter":
            status = self.random.choice(("in-progress", "finished", "planned", "cancelled"))
            act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
            body |= {"status": status, "class": act, "serviceProvider": where}
        else:
            status = self.random.choice(("active", "finished", "planned"))
            body |= {"status": status, "managingOrganization": where}
        founded = self.model.founds(who, patient)
        thing = await self.write(who, body, (patient,))
        if thing and founded and status in ("in-progress", "active", "finished"):
            self.model.grants.append(Grant(patient, at, thing.name))

    async def refer(self) -> None:
        who, patient = self.writer_and_patient()
        to = self.random.choice(self.institutions)
        known = [t for t in self.model.things.values() if t.patients == {patient} and t.type == "Observation"]
        package = [t.name for t in self.random.sample(known, min(2, len(known)))]
        body: Json = {
            "resourceType": "Task", "status": "requested", "intent": "order",
            "code": concept(TASK_CODE, "referral"), "businessStatus": business_status("submitted"),
            "for": {"reference": f"Patient/{patient}"},
            "requester": {"reference": f"Organization/{who.organization}"}, "owner": {"reference": f"Organization/{to}"},
            "input": [{"type": {"text": "package"}, "valueReference": {"reference": name}} for name in package],
        }  # fmt: skip
        if not package:
            del body["input"]
        founded = self.model.founds(who, patient)
        thing = await self.write(who, body, (patient,))
        if thing and founded:
            self._grant_referral(thing, patient, who.organization, to, package)

    async def move_on(self) -> None:
        """Whoever was asked accepts, works, ends, or refuses."""
        tasks = [t for t in self.model.things.values() if t.type == "Task" and not t.is_deleted and not t.labels]
        if not tasks:
            return
        task = self.random.choice(tasks)
        owner = task.body["owner"]["reference"].partition("/")[2]
        who, patient = Who(owner, "TREAT"), next(iter(task.patients))
        state = self.random.choice(("received", "accepted", "closed", "rejected", "voided"))
        status = STATES[state].task
        before = [g for g in self.model.grants if g.source == task.name]
        founded = self.model.founds(who, patient)
        if not await self.change(who, task, {"status": status, "businessStatus": business_status(state)}):
            return
        self.model.grants = [g for g in self.model.grants if g.source != task.name]
        if founded or before:
            placer = task.body["requester"]["reference"].partition("/")[2]
            package = [each["valueReference"]["reference"] for each in task.body.get("input", ())]
            self._grant_referral(task, patient, placer, owner, package, before if not founded else None)

    def _grant_referral(
        self,
        task: Thing,
        patient: str,
        placer: str,
        owner: str,
        package: Sequence[str],
        before: list[Grant] | None = None,
    ) -> None:
        """`before`: what was granted, for an owner without another basis; it can raise its own part only by accepting."""
        status, own = task.body["status"], frozenset({task.name})
        names = frozenset({f"Patient/{patient}", *package})
        wanted = []
        if status in (*PACKAGE, *RECORD, "rejected"):
            wanted.append(Grant(patient, owner, task.name, resources=own, founds=False))
            wanted.append(Grant(patient, placer, task.name, resources=own, founds=False))
            wanted.append(Grant(patient, placer, task.name, resources=names, may_write=False, founds=False))
        if status in (*PACKAGE, "accepted"):
            wanted.append(Grant(patient, owner, task.name, resources=names, may_write=False, founds=False))
        if before is not None:
            held = [(g.organization, g.resources, g.may_write) for g in before]
            wanted = [g for g in wanted if (g.organization, g.resources, g.may_write) in held]
        if status in RECORD and (before is None or any(g.organization == owner for g in before)):
            wanted.append(Grant(patient, owner, task.name, frozenset(AGREED) if status == "accepted" else None))
        self.model.grants += wanted

    async def agree(self) -> None:
        """A consent that names a recipient, a purpose, perhaps classes; with an exception inside, perhaps."""
        who, patient = self.writer_and_patient()
        to = self.random.choice(self.institutions)
        types, purpose = self.random.choice(SHARED), self.random.choice(("TREAT", "HRESCH"))
        rule = _rule("permit", to, types, purpose)
        founded = self.model.founds(who, patient)
        thing = await self.write(who, _consent(patient, rule), (patient,))
        if thing is None or not founded:
            return
        purposes = TREAT if purpose == "TREAT" else frozenset({"HRESCH"})
        self.model.grants.append(Grant(patient, to, thing.name, types, purposes, founds=types is None))
        self.model.denials = [
            d for d in self.model.denials
            if not (d.patient == patient and d.organization == to and d.source.endswith("#withdrawn"))
        ]  # fmt: skip

    async def deny(self) -> None:
        who, patient = self.writer_and_patient()
        to = None if self.random.random() < 0.2 else self.holder(patient)
        types = self.random.choice(SHARED)
        rule = _rule("deny", to, types, None)
        exceptions: tuple[Denial, ...] = ()
        if self.random.random() < 0.4:
            excepted = self.random.choice(self.institutions)
            rule["provision"] = [_rule("permit", excepted, None, "TREAT")]
            exceptions = (Denial(patient, excepted, "", None, TREAT),)
        thing = await self.write(who, _consent(patient, rule), (patient,))
        if thing:
            self.model.denials.append(Denial(patient, to, thing.name, types, None, exceptions))

    async def withdraw(self) -> None:
        """From the next request on nothing of it is permitted, and what it permitted is denied."""
        consents = [
            t
            for t in self.model.things.values()
            if t.type == "Consent" and not t.is_deleted and t.body["status"] == "active"
        ]
        if not consents:
            return
        consent = self.random.choice(consents)
        who, patient = Who(consent.author, "TREAT"), next(iter(consent.patients))
        if not await self.change(who, consent, {"status": "inactive"}):
            return
        self.model.grants = [g for g in self.model.grants if g.source != consent.name]
        self.model.denials = [d for d in self.model.denials if d.source != consent.name]
        for rule in consent.body["provision"]["provision"]:
            if rule["type"] == "permit":
                to = rule["actor"][0]["reference"]["reference"].removeprefix("Organization/")
                types = frozenset(c["code"] for c in rule["class"]) if "class" in rule else None
                purposes = _purposes_of(rule)
                self.model.denials.append(Denial(patient, to, f"{consent.name}#withdrawn", types, purposes))

    async def entrust(self) -> None:
        """The patient lets a relative look for her; who has no basis cannot say so for her."""
        who, patient = self.writer_and_patient()
        if self.random.random() < 0.3:
            who = self.herself(patient)
        related = await self.write(
            who, {"resourceType": "RelatedPerson", "patient": {"reference": f"Patient/{patient}"}}, (patient,)
        )
        if related is None:
            return
        types = self.random.choice(SHARED)
        rule = _rule("permit", related.name, types, None)
        founded = self.model.founds(who, patient)
        thing = await self.write(who, _consent(patient, rule, "proxy"), (patient,))
        if thing is None:
            return
        self.proxies.append(related.name)
        if founded:
            self.model.grants.append(Grant(patient, related.name, thing.name, types, founds=False))

    async def tell(self) -> None:
        """What an elder tells of herself."""
        patient = self.random.choice(self.patients)
        body = {"resourceType": "Observation", "status": "final", "code": _code(self.random.choice(CODES))}
        await self.write(self.herself(patient), body | {"subject": {"reference": f"Patient/{patient}"}}, (patient,))

    async def supervise(self) -> None:
        """Only who is supervised can say so."""
        who, lead = self.one_in_care(), self.random.choice(self.institutions)
        supervised = self.random.choice(self.institutions)
        code = {"system": "https://yiyang.example/fhir/CodeSystem/affiliation-type", "code": "supervision"}
        body = {
            "resourceType": "OrganizationAffiliation", "code": [{"coding": [code]}],
            "organization": {"reference": f"Organization/{lead}"},
            "participatingOrganization": {"reference": f"Organization/{supervised}"},
        }  # fmt: skip
        answer = await self.caller(who).post("/OrganizationAffiliation", body)
        assert answer.status_code == 201, answer.text
        if who.organization == supervised:
            self.model.supervised.add((lead, supervised))

    async def meet(self) -> None:
        """A resource of two patients is seen by who reaches both."""
        patients = tuple(dict.fromkeys(self.random.choices(self.patients, k=2)))
        actors = [{"actor": {"reference": f"Patient/{p}"}, "status": "accepted"} for p in patients]
        await self.write(
            self.one_in_care(),
            {"resourceType": "Appointment", "status": "proposed", "participant": actors},
            patients,
            label=True,
        )

    async def attest(self) -> None:
        """A Provenance of a patient is that patient's; one of another resource is its author's."""
        who, things = self.one_in_care(), [*self.model.things.values()]
        target = self.random.choice(things)
        body = {
            "resourceType": "Provenance", "target": [{"reference": target.name}], "recorded": "2026-05-01T08:00:00+08:00",
            "agent": [{"who": {"reference": f"Organization/{who.organization}"}}],
        }  # fmt: skip
        patients = (target.body["id"],) if target.type == "Patient" else ()
        await self.write(who, body, patients)

    async def group(self) -> None:
        """A list of people opens nobody's record, and is nobody's but its author's."""
        who = self.one_in_care()
        members = [p for p in self.random.sample(self.patients, 2) if self.model.refers(who, p)]
        body: Json = {"resourceType": "Group", "type": "person", "actual": True}
        if members:
            body["member"] = [{"entity": {"reference": f"Patient/{p}"}} for p in members]
        await self.write(who, body, ())

    async def relabel(self) -> None:
        things = [t for t in self.model.things.values() if t.type in ("Observation", "Condition") and not t.is_deleted]
        if not things:
            return
        thing, label = self.random.choice(things), self.random.choice([*LABELS])
        who = Who(thing.author, "TREAT")
        security = [*thing.body.get("meta", {}).get("security", ()), {"system": LABELS[label], "code": label}]
        if await self.change(who, thing, {"meta": {"security": security}}):
            thing.labels |= {label} - {"N"}

    async def delete(self) -> None:
        things = [t for t in self.model.things.values() if t.type == "Observation" and not t.is_deleted]
        if things:
            thing = self.random.choice(things)
            answer = await self.caller(Who(thing.author, "TREAT")).delete(f"/{thing.name}")
            assert answer.status_code == 204, answer.text
            thing.is_deleted = True

    # ---- what is written ------------------------------------------------------------------------------------------------------

    async def write(self, who: Who, body: Json, patients: Iterable[str], *, label: bool = False) -> Thing | None:
        """Create; None where a patient that it names is out of the writer's reach, which is answered like an unknown one."""
        labels: frozenset[str] = frozenset()
        if label and self.random.random() < 0.3:
            code = self.random.choice([*LABELS])
            body = {**body, "meta": {"security": [{"system": LABELS[code], "code": code}]}}
            labels = frozenset({code}) - {"N"}
        answer = await self.caller(who).post(f"/{body['resourceType']}", body)
        if not all(self.model.refers(who, patient) for patient in _named(body)):
            assert answer.status_code == 422, (answer.text, body)
            return None
        return self._stored(answer, who, patients, labels)

    async def put(self, who: Who, body: Json, patients: Iterable[str]) -> Thing:
        answer = await self.caller(who).put(f"/{body['resourceType']}/{body['id']}", body)
        return self._stored(answer, who, patients, frozenset())

    def _stored(self, answer: Response, who: Who, patients: Iterable[str], labels: frozenset[str]) -> Thing:
        assert answer.status_code == 201, answer.text
        thing = Thing(answer.json(), who.organization, frozenset(patients), labels)
        self.model.things[thing.name] = thing
        return thing

    async def change(self, who: Who, thing: Thing, elements: Json) -> bool:
        """Update; False where the writer may not, or a patient is out of reach by now."""
        may = self.model.writes(who, thing) and all(self.model.refers(who, p) for p in _named(thing.body))
        answer = await self.caller(who).put(f"/{thing.name}", {**thing.body, **elements})
        assert (answer.status_code == 200) is may, (answer.status_code, answer.text, who, thing)
        if may:
            thing.past.append(thing.body)
            thing.body = answer.json()
        return may


def _code(code: str) -> Json:
    return {"coding": [{"system": "http://loinc.org", "code": code}]}


def _purposes_of(rule: Json) -> frozenset[str] | None:
    if "purpose" not in rule:
        return None
    return TREAT if rule["purpose"][0]["code"] == "TREAT" else frozenset({"HRESCH"})


def _consent(patient: str, rule: Json, category: str = "separate-sensitive") -> Json:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    return {
        "resourceType": "Consent", "status": "active", "scope": {"coding": [scope]}, "category": [{"coding": [{"system": CATEGORIES, "code": category}]}],
        "patient": {"reference": f"Patient/{patient}"}, "policyRule": {"text": "PIPL"}, "provision": {"provision": [rule]},
    }  # fmt: skip


def _rule(kind: str, to: str | None, types: frozenset[str] | None, purpose: str | None) -> Json:
    rule: Json = {"type": kind}
    if to:
        named = to if "/" in to else f"Organization/{to}"
        rule["actor"] = [{"role": {"text": "IRCP"}, "reference": {"reference": named}}]
    if types:
        rule["class"] = [{"system": TYPES, "code": each} for each in sorted(types)]
    if purpose:
        rule["purpose"] = [{"system": REASON, "code": purpose}]
    return rule


def _named(node: Any) -> set[str]:
    """The patients that a body refers to."""
    if isinstance(node, list):
        return {patient for each in node for patient in _named(each)}
    if not isinstance(node, dict):
        return set()
    found = {patient for each in node.values() for patient in _named(each)}
    kind, _, patient = str(node.get("reference", "")).partition("/")
    return found | ({patient} if kind == "Patient" and patient else set())
