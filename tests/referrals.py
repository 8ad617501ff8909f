"""A scene for the two-way referral: institutions, staff, an agreement and an elder, and every act with what must accompany it.

`scene = await Scene.set(fhir)`, then `await scene.at("treating")` drives a referral there; `await scene.act(task, "accept")` does one act
through the door of PUT, companions in the same transaction. docs/referral-workflow.md
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from services.fhir.elements import concept
from services.referral.codes import (
    CLOSE_REASON,
    CONTRACT_TYPE,
    DIRECTION,
    INPUT,
    INSTITUTION_TYPE,
    OUTPUT,
    REJECT_REASON,
    SECTION,
    SERVICE_CATEGORY,
    STAFF_ROLE,
    TASK_CODE,
)
from services.referral.package import FEEDBACK, SECTIONS
from services.referral.states import STATES, business_status, state_of
from services.referral.workflow import ACTS, RESUMED, SAME
from tests.builders import LOINC, composition, create, document, encounter, entry, observation, transaction, urn
from tests.house import Fhir, Response

Json = dict[str, Any]

NUMBER: Final = "https://yiyang.example/fhir/sid/referral-no"
CONSENT_CATEGORY: Final = "https://yiyang.example/fhir/CodeSystem/consent-category"
CHAIN: Final = "https://yiyang.example/fhir/sid/referral-chain"
_numbers: Final = itertools.count(1)
WAY: Final = {  # the acts by which a state is reached
    "draft": ("draft",),
    "submitted": ("submit",),
    "received": ("submit", "receive"),
    "info-requested": ("submit", "receive", "ask"),
    "accepted": ("submit", "accept"),
    "scheduled": ("submit", "accept", "schedule"),
    "in-transit": ("submit", "accept", "schedule", "depart"),
    "arrived": ("submit", "accept", "arrive"),
    "treating": ("submit", "accept", "arrive", "treat"),
    "paused": ("submit", "accept", "arrive", "treat", "pause"),
    "back-offered": ("submit", "accept", "arrive", "treat", "offer-back"),
    "cancel-requested": ("submit", "accept", "arrive", "treat", "request-cancel"),
    "feedback-sent": ("submit", "accept", "arrive", "treat", "feedback"),
    "closed": ("submit", "accept", "arrive", "treat", "feedback", "acknowledge"),
    "rejected": ("submit", "reject"),
    "withdrawn": ("submit", "withdraw"),
    "terminated": ("submit", "accept", "arrive", "terminate"),
    "voided": ("submit", "request-void", "void"),
}


def now(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")


def reference(name: str) -> Json:
    return {"reference": name}


def given(system: str, code: str, **value: Any) -> Json:
    """An input or output of a Task."""
    return {"type": concept(system, code), **value}


class Scene:
    """Two institutions with an agreement, a third with one to the placer too, and one elder; all ids are this scene's alone."""

    def __init__(self, clients: Sequence[Fhir]) -> None:
        """The first client is the placer's, the others are fulfillers'."""
        self.mark = uuid4().hex[:8]
        self.clients = [*clients]
        self.organizations = [each.caller.organization for each in clients]
        self.clock = clients[0].clock
        self.patient = ""

    def now(self, **ahead: float) -> str:
        """By the clock of the house."""
        return (self.clock.now() + timedelta(**ahead)).isoformat(timespec="seconds")

    @property
    def placer(self) -> Fhir:
        return self.clients[0]

    @property
    def fulfiller(self) -> Fhir:
        return self.clients[1]

    @property
    def other(self) -> Fhir:
        return self.clients[2]

    @classmethod
    async def set(cls, fhir: Fhir, **contract: Any) -> "Scene":
        mark = uuid4().hex[:8]
        names = [f"{name}-{mark}" for name in ("placer", "fulfiller", "other")]
        plain = Fhir(fhir.peers, fhir.caller, introduces=False, clock=fhir.clock)
        scene = cls([plain.as_(organization=each, client=each) for each in names])
        await scene.furnish(**contract)
        return scene

    async def furnish(self, **contract: Any) -> None:
        """The directory of these institutions, and an agreement of the first one with each of the others."""
        for client, organization in zip(self.clients, self.organizations, strict=True):
            answer = await client.post("/", transaction(*_directory(organization)))
            assert answer.status_code == 200, answer.text
        for organization in self.organizations[1:]:
            await self.placer.created(self.contract(self.organizations[0], organization, **contract))
        await self.meet()

    def about(self, patient: str) -> "Scene":
        """The same institutions with another elder."""
        scene = Scene(self.clients)
        scene.patient = patient
        return scene

    async def meet(self) -> str:
        """A new elder, known to the placer."""
        made = await self.placer.created({"resourceType": "Patient", "name": [{"text": "乌有福"}]})
        self.patient = f"Patient/{made['id']}"
        return self.patient

    def contract(self, *parties: str, **changes: Any) -> Json:
        return {
            "resourceType": "Contract", "status": "executed", "type": concept(CONTRACT_TYPE, "cooperation"),
            "subject": [reference(f"Organization/{each}") for each in parties],
            "signer": [
                {"type": {"code": "HPROV"}, "party": reference(f"Organization/{each}"), "signature": [_signature(each)]}
                for each in parties
            ],
        } | changes  # fmt: skip

    def physician(self, organization: str) -> str:
        return f"Practitioner/{organization}-doctor"

    def administrator(self, organization: str) -> str:
        return f"Practitioner/{organization}-admin"

    def request(self, **changes: Any) -> Json:
        number = next(_numbers) % 10**6
        made = {
            "resourceType": "ServiceRequest", "status": "active", "intent": "order",
            "identifier": [{"system": NUMBER, "value": f"T{self.mark}20261124{number:06d}"}],
            "requisition": {"system": CHAIN, "value": self.mark},
            "category": [concept(SERVICE_CATEGORY, "referral"), concept(DIRECTION, "up")],
            "priority": "urgent", "code": {"text": f"心内科住院 {uuid4().hex}"}, "subject": reference(self.patient),
            "authoredOn": self.now(), "requester": reference(self.physician(self.organizations[0])),
            "performer": [reference(f"Organization/{self.organizations[1]}")],
            "reasonCode": [{"text": "胸闷三天"}],
        }  # fmt: skip
        return {name: value for name, value in (made | changes).items() if value is not None}

    def task(self, focus: str, at: str = "submitted", **changes: Any) -> Json:
        made = {
            "resourceType": "Task", "status": STATES[at].task, "businessStatus": business_status(at), "intent": "order",
            "code": concept(TASK_CODE, "referral"), "focus": reference(focus), "for": reference(self.patient),
            "authoredOn": self.now(), "requester": reference(f"Organization/{self.organizations[0]}"),
            "owner": reference(f"Organization/{self.organizations[1]}"),
        }  # fmt: skip
        return {name: value for name, value in (made | changes).items() if value is not None}

    def package(self, direction: str = "up", *, but: str = "", taken: str | None = None, **changes: Any) -> Json:
        pulse = observation(self.patient, id=uuid4().hex, effectiveDateTime=taken or self.now(minutes=-5))
        sections = [
            {"code": concept(LOINC, s.codes[-1 if direction == "down" else 0]), "entry": [_of(pulse)]}
            for s in SECTIONS
            if but not in s.codes
        ]
        note = composition(self.patient, self.physician(self.organizations[0]), section=sections)
        note["attester"] = [{"mode": "legal", "party": note["author"][0]}]
        return document(note | changes, pulse)

    def consent(self, *recipients: str, **changes: Any) -> Json:
        actors = [{"role": {"text": "IRCP"}, "reference": reference(f"Organization/{each}")} for each in recipients]
        rule = {"type": "permit", "actor": actors}
        return {
            "resourceType": "Consent", "status": "active", "patient": reference(self.patient), "dateTime": self.now(),
            "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
            "category": [concept(CONSENT_CATEGORY, "referral")], "policyRule": {"text": "PIPL"}, "provision": {"provision": [rule]},
        } | changes  # fmt: skip

    def submission(
        self,
        request: Json | None = None,
        package: Json | None = None,
        *,
        at: str = "submitted",
        owner: int = 1,
        inputs: list[Json] | None = None,
        **changes: Any,
    ) -> Json:
        """The transaction that creates a referral: consent, package, request and Task."""
        names, organization = [urn() for _ in range(3)], self.organizations[owner]
        order = request or self.request(performer=[reference(f"Organization/{organization}")])
        if at == "draft":
            order = order | {"status": "draft"}
        support = inputs if inputs is not None else [
            given(INPUT, "package", valueReference=reference(names[0])),
            given(INPUT, "consent", valueReference=reference(names[1])),
        ]  # fmt: skip
        task = self.task(names[2], at, owner=reference(f"Organization/{organization}"), input=support)
        return transaction(
            create(package or self.package(), names[0]),
            create(self.consent(organization), names[1]),
            create(order, names[2]),
            create(task | changes),
        )

    async def submitted(self, request: Json | None = None, package: Json | None = None, **changes: Any) -> Json:
        return await self.read(await self.placer.post("/", self.submission(request, package, **changes)))

    async def also_asked(self, task: Json, owner: int = 2) -> Json:
        """Another Task of the same request, to another institution."""
        return await self.read(await self.placer.post("/", self.asking_also(task, owner)))

    def asking_also(self, task: Json, owner: int) -> Json:
        name, organization = urn(), self.organizations[owner]
        again = self.task(
            task["focus"]["reference"],
            owner=reference(f"Organization/{organization}"),
            input=[task["input"][0], given(INPUT, "consent", valueReference=reference(name))],
        )
        return transaction(create(self.consent(organization), name), create(again))

    async def read(self, answer: Response) -> Json:
        """The Task of a transaction's answer, as the placer sees it."""
        assert answer.status_code == 200, answer.text
        located = [each["response"].get("location", "") for each in answer.json()["entry"]]
        name = next(each for each in located if "Task/" in each).partition("Task/")[2].partition("/")[0]
        return await self.current(name)

    async def current(self, task: Json | str) -> Json:
        answer = await self.placer.get(f"/Task/{task if isinstance(task, str) else task['id']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def order_of(self, task: Json) -> Json:
        found: Json = (await self.placer.get(f"/{task['focus']['reference']}")).json()
        return found

    async def at(self, state: str, **changes: Any) -> Json:
        """A referral driven to this state by the acts that lead there."""
        first, *acts = WAY[state]
        task = await self.submitted(at="draft" if first == "draft" else "submitted", **changes)
        for act in acts:
            task = await self.done(task, act)
        return task

    async def done(self, task: Json, act: str, **more: Any) -> Json:
        answer = await self.act(task, act, **more)
        assert answer.status_code == 200, (act, answer.text)
        return await self.current(task)

    async def act(
        self, task: Json, act: str, *, by: Fhir | None = None, entries: list[Json] | None = None, **more: Any
    ) -> Response:
        """One act by PUT in a transaction with its companions; `more` changes the Task, or leaves an element out by None."""
        changed, companions = self.accompanied(task, act)
        body = {name: value for name, value in (moved(task, act) | changed | more).items() if value is not None}
        client = by or (self.placer if ACTS[act].by in ("P", "A") else self.fulfiller)
        put = entry("PUT", f"Task/{task['id']}", body, ifMatch=f'W/"{task["meta"]["versionId"]}"')
        return await client.post("/", transaction(*(companions if entries is None else entries), put))

    def operation(self, task: Json, act: str) -> Json:
        """The Parameters of an act that goes by its operation, on the straight way from acceptance to the end."""
        owner = task["owner"]["reference"].partition("/")[2]
        made = [each["resource"] for each in self.accompanied(task, act)[1]]
        given_by = {
            "accept": [
                {"name": "department", "valueReference": reference(f"Organization/{owner}-ward")},
                {"name": "physician", "valueReference": reference(self.physician(owner))},
            ],
            "arrive": [{"name": "identity-verified", "valueBoolean": True}, *_each("encounter", made)],
            "interim": _each("composition", made),
            "feedback": _each("composition", made),
            "pause": [{"name": "reason", "valueString": "外出检查"}],
            "resume": [{"name": "reason", "valueString": "已返回"}],
            "acknowledge": [{"name": "follow-up", "valueString": "三日内首次随访"}],
        }
        return parameters(*given_by.get(act, ()))

    def referring(self) -> Json:
        """The Parameters of `$refer`."""
        resources = (self.request(), self.package(), self.consent(self.organizations[1]))
        names = ("request", "package", "consent")
        return parameters(*(each for n, r in zip(names, resources, strict=True) for each in _each(n, [r])))

    def accompanied(self, task: Json, act: str) -> tuple[Json, list[Json]]:
        """What the act changes in the Task, and the entries beside it."""
        build = getattr(self, f"_{act.replace('-', '_')}", None)
        made: tuple[Json, list[Json]] = build(task) if build else ({}, [])
        return made

    def _ask(self, _task: Json) -> tuple[Json, list[Json]]:
        return {"statusReason": {"text": "请补充心电图"}}, []

    def _answer(self, task: Json) -> tuple[Json, list[Json]]:
        return self._with(task, "input", given(INPUT, "answer", valueString="心电图未见异常")), []

    def _supplement(self, task: Json) -> tuple[Json, list[Json]]:
        name = urn()
        added = self._with(task, "input", given(INPUT, "package", valueReference=reference(name)))
        return added, [create(self.package(), name)]

    def _accept(self, task: Json) -> tuple[Json, list[Json]]:
        owner = task["owner"]["reference"].partition("/")[2]
        return self._with(
            task, "output",
            given(OUTPUT, "department", valueReference=reference(f"Organization/{owner}-ward")),
            given(OUTPUT, "physician", valueReference=reference(self.physician(owner))),
            given(OUTPUT, "arrival-window", valuePeriod={"start": self.now(), "end": self.now(hours=24)}),
        ), []  # fmt: skip

    def _reject(self, _task: Json) -> tuple[Json, list[Json]]:
        return {"statusReason": concept(REJECT_REASON, "no-bed")}, []

    def _withdraw(self, _task: Json) -> tuple[Json, list[Json]]:
        return {"statusReason": {"text": "患者改变主意"}}, []

    _pause = _resume = _refuse_cancel = _withdraw

    def _schedule(self, task: Json) -> tuple[Json, list[Json]]:
        owner, name = task["owner"]["reference"].partition("/")[2], urn()
        booked = {
            "resourceType": "Appointment", "status": "booked", "start": self.now(hours=2), "end": self.now(hours=3),
            "participant": [{"actor": task["for"], "status": "accepted"}],
        }  # fmt: skip
        added = self._with(
            task, "output",
            given(OUTPUT, "appointment", valueReference=reference(name)),
            given(OUTPUT, "bed", valueReference=reference(f"Location/{owner}-bed")),
        )  # fmt: skip
        return added, [create(booked, name)]

    def _depart(self, task: Json) -> tuple[Json, list[Json]]:
        name = urn()
        vital = concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")
        taken = observation(task["for"]["reference"], effectiveDateTime=self.now(), category=[vital])
        return self._with(task, "input", given(INPUT, "departure-vitals", valueReference=reference(name)),
            given(INPUT, "escort", valueString="护士一名")), [create(taken, name)]  # fmt: skip

    def _arrive(self, task: Json) -> tuple[Json, list[Json]]:
        name = urn()
        here = encounter(task["for"]["reference"], serviceProvider=task["owner"])
        added = self._with(
            task, "output",
            given(OUTPUT, "encounter", valueReference=reference(name)),
            given(OUTPUT, "identity-verified", valueBoolean=True),
        )  # fmt: skip
        return added, [create(here, name)]

    def _interim(self, task: Json) -> tuple[Json, list[Json]]:
        name = urn()
        note = composition(task["for"]["reference"], self.physician(self.organizations[1]))
        return self._with(task, "output", given(OUTPUT, "interim", valueReference=reference(name))), [
            create(note, name)
        ]

    def _no_show(self, task: Json) -> tuple[Json, list[Json]]:
        return self._with(task, "output", given(OUTPUT, "contact-attempt", valueString="电话未接")), []

    def _offer_back(self, task: Json) -> tuple[Json, list[Json]]:
        name = urn()
        back = self.request(
            status="draft",
            category=[concept(SERVICE_CATEGORY, "referral"), concept(DIRECTION, "down")],
            basedOn=[task["focus"]],
            requester=reference(self.physician(self.organizations[1])),
            performer=[reference(f"Organization/{self.organizations[0]}")],
        )
        return self._with(task, "output", given(OUTPUT, "down-request", valueReference=reference(name))), [
            create(back, name)
        ]

    def _request_cancel(self, task: Json) -> tuple[Json, list[Json]]:
        asked = {
            "resourceType": "Task", "status": "requested", "intent": "order", "code": concept(TASK_CODE, "abort"),
            "focus": reference(f"Task/{task['id']}"), "for": task["for"], "requester": task["requester"], "owner": task["owner"],
        }  # fmt: skip
        return {}, [create(asked)]

    def _feedback(self, task: Json) -> tuple[Json, list[Json]]:
        name, of = urn(), [reference(f"Encounter/{uuid4().hex}")]
        sections = [
            {"code": concept(SECTION if s.system == SECTION else LOINC, s.codes[0]), "entry": of} for s in FEEDBACK
        ]
        note = composition(task["for"]["reference"], self.physician(self.organizations[1]), section=sections)
        return self._with(task, "output", given(OUTPUT, "feedback", valueReference=reference(name))), [
            create(note, name)
        ]

    def _acknowledge(self, task: Json) -> tuple[Json, list[Json]]:
        return self._with(task, "input", given(INPUT, "follow-up", valueString="三日内首次随访")), []

    def _terminate(self, _task: Json) -> tuple[Json, list[Json]]:
        return {"statusReason": concept(CLOSE_REASON, "patient-left")}, []

    def _request_void(self, task: Json) -> tuple[Json, list[Json]]:
        who = reference(self.physician(self.organizations[0]))
        return self._with(task, "input", given(INPUT, "void-request", valueReference=who)) | {
            "statusReason": {"text": "录错患者"}
        }, []

    def _void(self, task: Json) -> tuple[Json, list[Json]]:
        who = reference(self.administrator(self.organizations[0]))
        return self._with(task, "output", given(OUTPUT, "administrator", valueReference=who)), []

    @staticmethod
    def _with(task: Json, element: str, *added: Json) -> Json:
        return {element: [*task.get(element, ()), *added]}


def moved(task: Json, act: str) -> Json:
    """The Task in the state to which the act leads, nothing else changed."""
    target = {SAME: state_of(task), RESUMED: _resumes(task)}.get(ACTS[act].to, ACTS[act].to)
    return task | {"status": STATES[target].task, "businessStatus": business_status(target)}


def _resumes(task: Json) -> str:
    parts = [part for each in task.get("extension", ()) for part in each.get("extension", ())]
    return next((part["valueCode"] for part in parts if part["url"] == "resumes"), "treating")


def parameters(*parts: Json) -> Json:
    return {"resourceType": "Parameters"} | ({"parameter": list(parts)} if parts else {})


def _each(name: str, resources: list[Json]) -> list[Json]:
    return [{"name": name, "resource": each} for each in resources]


def _of(resource: Json) -> Json:
    return reference(f"{resource['resourceType']}/{resource['id']}")


def _signature(organization: str) -> Json:
    kind = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}
    return {"type": [kind], "when": now(), "who": reference(f"Organization/{organization}")}


def _directory(organization: str) -> list[Json]:
    """Organization, ward, bed, and a physician and an administrator of it."""
    here = reference(f"Organization/{organization}")
    bodies: list[Json] = [
        {"resourceType": "Organization", "id": organization, "name": organization, "type": [concept(INSTITUTION_TYPE, "hospital")]},
        {"resourceType": "Organization", "id": f"{organization}-ward", "name": "心内科", "partOf": here},
        {"resourceType": "Location", "id": f"{organization}-bed", "name": "1 床", "managingOrganization": here},
    ]  # fmt: skip
    for name, role in (("doctor", "physician"), ("admin", "administrator")):
        person = f"{organization}-{name}"
        bodies += [
            {"resourceType": "Practitioner", "id": person, "qualification": [{"code": {"text": "执业"}}]},
            {
                "resourceType": "PractitionerRole", "id": person, "practitioner": reference(f"Practitioner/{person}"),
                "organization": here, "code": [concept(STAFF_ROLE, role)],
            },
        ]  # fmt: skip
    return [entry("PUT", f"{body['resourceType']}/{body['id']}", body) for body in bodies]
