"""Referrals of the county as far as they have come: some are asked for, some accepted, some are closed: docs/referral-workflow.md"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from yiyang.population.county import County
from yiyang.population.loading import Loader
from yiyang.population.records import Kept
from yiyang.story import document as note
from yiyang.story import terms
from yiyang.story.cooperation import affiliation
from yiyang.story.document import Section, composition, document
from yiyang.story.elements import Calendar, Json, coding, transaction, update
from yiyang.story.institutions import Institution
from yiyang.story.referral import consent, value
from yiyang.story.upward import receivers

STAGES: Final = ("draft", "submitted", "accepted", "closed")
_NIL: Final = ("nilknown", "Nil Known")
_NOT_ASKED: Final = ("notasked", "Not Asked")


def stage_of(one: Kept, county: County) -> str:
    """Only a clinic has a physician who can sign; a home's referral waits as a draft."""
    if not any(each["resourceType"] == "ServiceRequest" for each in one.resources):
        return ""
    is_of_clinic = one.institution in county.clinics.values()
    return STAGES[one.person.number % len(STAGES)] if is_of_clinic else STAGES[0]


def without_request(one: Kept) -> tuple[Json, ...]:
    """What is written of an elder whose referral goes through the workflow: that one brings its own request."""
    return tuple(each for each in one.resources if each["resourceType"] != "ServiceRequest")


class Referring:
    """The acts of both sides, each as its institution."""

    def __init__(self, loader: Loader, county: County, now: datetime) -> None:
        self._loader = loader
        self._county = county
        self._calendar = Calendar(now)

    async def agree(self) -> None:
        """The hospital leads a consortium of the county's clinics."""
        hospital = self._county.hospital
        members = [update(affiliation(hospital, clinic)) for clinic in self._county.clinics.values()]
        await self._loader.transact(hospital.id, transaction(*members))

    async def carry(self, one: Kept, stage: str) -> None:
        task = await self._refer(one)
        if stage in ("accepted", "closed"):
            await self._act(task, "receive")
            await self._act(task, "accept", *receivers(self._county.hospital))
        if stage == "closed":
            await self._treat(one, task)

    async def _refer(self, one: Kept) -> str:
        patient = f"Patient/{one.resources[0]['id']}"
        agreed = consent(
            patient, self._county.hospital, one.institution, self._calendar.ago(30), self._calendar.at(-80)
        )
        parts = (("request", self._request(one)), ("package", self._package(one, patient)), ("consent", agreed))
        given = [{"name": name, "resource": each} for name, each in parts]
        task = await self._invoke(one.institution, "ServiceRequest/$refer", *given)
        return f"Task/{task['id']}"

    async def _treat(self, one: Kept, task: str) -> None:
        """She comes, is treated, and goes back to the clinic's care."""
        patient, hospital = f"Patient/{one.resources[0]['id']}", self._county.hospital
        visit = {
            "resourceType": "Encounter",
            "meta": terms.meta("yiyang-encounter", hospital.id),
            "status": "in-progress",
            "class": coding(terms.ACT, "AMB", "ambulatory"),
            "subject": {"reference": patient},
            "period": {"start": self._calendar.ago(20)},
            "serviceProvider": hospital.reference,
        }
        verified = value("identity-verified", valueBoolean=True)
        await self._act(task, "arrive", {"name": "encounter", "resource": visit}, verified)
        await self._act(task, "treat")
        report = composition(note.BACK_NOTE, patient, hospital, self._calendar.ago(0), _report(_known(one)))
        await self._act(task, "feedback", {"name": "composition", "resource": report})
        plan = value("follow-up", valueString="两周内社区随访")
        await self._invoke(one.institution, f"{task}/$acknowledge", plan)

    def _request(self, one: Kept) -> Json:
        draft = next(each for each in one.resources if each["resourceType"] == "ServiceRequest")
        active = {
            "status": "active",
            "requester": one.institution.member("physician"),
            "authoredOn": self._calendar.ago(60),
        }
        return {name: each for name, each in draft.items() if name != "id"} | active

    def _package(self, one: Kept, patient: str) -> Json:
        known, when = _known(one), self._calendar.ago(30)
        sections = _sections(known)
        return document(
            self._loader.base, composition(note.REFERRAL_NOTE, patient, one.institution, when, sections), known, when
        )

    async def _act(self, task: str, act: str, *parts: Json) -> Json:
        return await self._invoke(self._county.hospital, f"{task}/${act}", *parts)

    async def _invoke(self, institution: Institution, path: str, *parts: Json) -> Json:
        given: Json = {"resourceType": "Parameters"} | ({"parameter": list(parts)} if parts else {})
        return await self._loader.invoke(institution.id, path, given)


def _known(one: Kept) -> list[Json]:
    """What goes along beside herself: of all readings the newest alone."""
    kinds = ("Patient", "Condition", "AllergyIntolerance", "MedicationStatement")
    return [e for e in one.resources if e["resourceType"] in kinds or e["id"].endswith(("-ability", "-bp-visit"))]


def _sections(known: Sequence[Json]) -> Iterator[Section]:
    conditions = _of(known, "Condition")
    yield Section(note.REASON, "社区随访发现病情变化，需上级医院诊治", conditions, _NOT_ASKED)
    yield Section(note.IMPRESSION, "见诊断", conditions, _NOT_ASKED)
    yield Section(note.PAST, "见既往诊断", conditions, _NIL)
    yield Section(note.ALLERGIES, "过敏史", _of(known, "AllergyIntolerance"), _NIL)
    yield Section(note.COURSE, "社区按慢病管理随访", empty=_NOT_ASKED)
    yield Section(note.MEDICATION, "现用药", _of(known, "MedicationStatement"), _NIL)
    yield Section(note.VITALS, "今日所测", _of(known, "Observation", "-bp-visit"), _NOT_ASKED)
    yield Section(note.ABILITY, "能力等级", _of(known, "Observation", "-ability"), _NOT_ASKED)


def _report(known: Sequence[Json]) -> Iterator[Section]:
    conditions = _of(known, "Condition")
    yield Section(note.REASON, "诊治结束，病情稳定，转回社区随访", conditions, _NOT_ASKED)
    yield Section(note.DIAGNOSIS, "与转诊诊断一致", conditions, _NIL)
    yield Section(note.PAST, "见既往诊断", conditions, _NIL)
    yield Section(note.ALLERGIES, "过敏史", _of(known, "AllergyIntolerance"), _NIL)
    yield Section(note.COURSE, "调整用药后症状缓解", empty=_NOT_ASKED)
    yield Section(note.RESULTS, "复查未见急性改变", empty=_NOT_ASKED)
    yield Section(note.DISCHARGE_MEDICATION, "用药已核对", _of(known, "MedicationStatement"), _NIL)
    yield Section(note.PLAN, "社区随访，按原方案用药", empty=_NOT_ASKED)
    yield Section(note.PENDING, "无待回报结果", empty=_NIL)


def _of(known: Sequence[Json], kind: str, ending: str = "") -> list[str]:
    return [f"{kind}/{each['id']}" for each in known if each["resourceType"] == kind and each["id"].endswith(ending)]
