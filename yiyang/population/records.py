"""The record of one elder of the county as its institution keeps it: http://hl7.org/fhir/R4/patient.html

Every resource has an id of its own that stays the same, so what is sent again replaces itself.
"""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Final, NamedTuple

from services.kit.identifiers import referral_number
from yiyang.population.chance import chance
from yiyang.population.county import COUNTY, County
from yiyang.population.health import Health, Usual, health_of, level_name, usual_of
from yiyang.population.people import Person, person
from yiyang.story import elder, month, terms
from yiyang.story.elements import Calendar, Json, coding, concept, identifier, reference
from yiyang.story.institutions import Institution
from yiyang.story.terms import local, meta

RESIDENT_FROM: Final = 2  # the level from which some live in a home
RESIDENT: Final = 0.4
MEASURED_DAYS: Final = {True: 12, False: 4}  # of a year: in a home, at one's own
REFERRED: Final = {0: 0.01, 1: 0.03, 2: 0.06, 3: 0.08, 4: 0.08}
_GLUCOSE: Final = ("14771-0", "空腹血糖", "mmol/L", "mmol/L")
_GENDERS: Final = {"male": ("1", "男性"), "female": ("2", "女性")}


class Kept(NamedTuple):
    """An elder with all that is recorded; `institution` keeps the record and writes it."""

    person: Person
    institution: Institution
    resources: tuple[Json, ...]


def kept(number: int, county: County, now: datetime) -> Kept:
    calendar = Calendar(now)
    one = person(number, county.seed)
    age = one.age(calendar.moment(0).date())
    health = health_of(one, age, county.seed)
    random = chance(county.seed, "record", number)
    is_resident = health.level >= RESIDENT_FROM and random.random() < RESIDENT
    institution = random.choice(county.homes) if is_resident else county.clinics[one.town]
    record = _Record(one, f"c{county.seed}-{number}", institution, health, county, calendar, random, is_resident, age)
    return Kept(one, institution, tuple(record.resources()))


class _Record(NamedTuple):
    person: Person
    stem: str
    institution: Institution
    health: Health
    county: County
    calendar: Calendar
    random: Random
    is_resident: bool
    age: int

    @property
    def patient(self) -> str:
        return f"Patient/{self.stem}"

    def resources(self) -> Iterator[Json]:
        yield self._patient()
        yield self._episode()
        yield from self._known()
        yield self._assessment()
        yield from self._measured()
        if self.random.random() < REFERRED[self.health.level]:
            yield self._at_the_visit()
            yield self._referral()

    def _named(self, resource: Json, suffix: str) -> Json:
        return {"resourceType": resource["resourceType"], "id": f"{self.stem}-{suffix}", **resource}

    def _patient(self) -> Json:
        one = self.person
        card = coding(f"{terms.HL7}/v2-0203", "NI", "National unique individual identifier")
        gender = {
            "url": f"{terms.CANONICAL}/StructureDefinition/gender-gb2261",
            "valueCoding": coding("urn:oid:2.16.156.10011.2.3.3.4", *_GENDERS[one.gender]),
        }
        division = {"url": f"{terms.CANONICAL}/StructureDefinition/division-code", "valueCode": COUNTY[0]}
        return {
            "resourceType": "Patient",
            "id": self.stem,
            "meta": meta("yiyang-patient", self.institution.id),
            "identifier": [
                {"use": "official", "type": concept(card, text="居民身份证")} | identifier(terms.ID_CARD, one.id_number)
            ],
            "active": True,
            "name": [{"use": "official", "text": one.name, "family": one.surname, "given": [one.given]}],
            "telecom": [{"system": "phone", "value": one.phone, "use": "home"}],
            "gender": one.gender,
            "_gender": {"extension": [gender]},
            "birthDate": one.birth.isoformat(),
            "address": [{"extension": [division], "use": "home", "text": one.address, "district": COUNTY[1]}],
            "managingOrganization": self.institution.reference,
        }

    def _episode(self) -> Json:
        mode = ("full-time", "全托") if self.is_resident else ("family-doctor", "家庭医生签约")
        episode = {
            "resourceType": "EpisodeOfCare",
            "meta": meta("yiyang-residency", self.institution.id),
            "status": "active",
            "type": [concept(local("service-mode", *mode))],
            "patient": reference(self.patient),
            "managingOrganization": self.institution.reference,
            "period": {"start": self.calendar.day(self.random.randrange(30, 1500))},
        }
        return self._named(episode, "stay")

    def _known(self) -> Iterator[Json]:
        asserter = self.institution.member("nurse")
        for each in self.health.conditions:
            disease = (each.national, each.name, each.icd10)
            onset = str(self.calendar.moment(0).year - self.random.randrange(1, 20))
            made = elder.condition(self.patient, self.institution, disease, asserter) | {"onsetDateTime": onset}
            yield self._named(made, each.icd10.lower())
        for n, (name, dosage) in enumerate(self.health.drugs):
            yield self._named(elder.medication(self.patient, self.institution, name, dosage), f"drug-{n}")
        if self.health.allergy:
            allergy = elder.allergy(self.patient) | {
                "meta": meta("yiyang-allergy", self.institution.id),
                "category": ["food" if self.health.allergy in ("海鲜", "花生") else "medication"],
                "code": concept(text=self.health.allergy),
            }
            yield self._named(allergy, "allergy")

    def _assessment(self) -> Json:
        level = (str(self.health.level), level_name(self.health.level))
        when = self.calendar.at(self.random.randrange(10, 360), 10)
        return self._named(month.ability(self.patient, self.institution, level, when), "ability")

    def _measured(self) -> Iterator[Json]:
        """What rises and falls with age, and with what she suffers from."""
        days, usual = MEASURED_DAYS[self.is_resident], usual_of(self.person, self.age, self.health, self.county.seed)
        for n in range(days):
            when = self.calendar.at(5 + n * 360 // days + self.random.randrange(5), 8, self.random.randrange(60))
            high = round(usual.systolic + self.random.gauss(0, 7))
            low = round(high * usual.share + self.random.gauss(0, 5))
            yield self._named(month.blood_pressure(self.patient, self.institution, high, low, when), f"bp-{n}")
            beats = round(usual.pulse + self.random.gauss(0, 4))
            yield self._named(month.vital(self.patient, self.institution, month.PULSE, beats, when), f"pulse-{n}")
            if n == 0:
                yield from self._once(usual, when)
            if self.health.has("E11"):
                sugar = round(max(4.2, self.random.gauss(8.1, 1.6)), 1)
                glucose = month.vital(self.patient, self.institution, _GLUCOSE, sugar, when)
                yield self._named(glucose | {"category": [terms.category("laboratory", "Laboratory")]}, f"glucose-{n}")

    def _once(self, usual: Usual, when: str) -> Iterator[Json]:
        for measure, reading, suffix in (
            (month.WEIGHT, usual.weight, "weight"),
            (month.SATURATION, usual.saturation, "spo2"),
        ):
            yield self._named(month.vital(self.patient, self.institution, measure, reading, when), suffix)

    def _at_the_visit(self) -> Json:
        """Measured when the referral is written."""
        usual = usual_of(self.person, self.age, self.health, self.county.seed)
        high, when = round(usual.systolic) + 12, self.calendar.ago(120)
        reading = month.blood_pressure(self.patient, self.institution, high, round(high * usual.share), when)
        return self._named(reading, "bp-visit")

    def _referral(self) -> Json:
        """One that is being written: the workflow takes it from here (docs/referral-workflow.md)."""
        days_ago = self.random.randrange(1, 60)
        number = referral_number(self.institution.short, self.calendar.moment(days_ago).date(), self.person.number)
        request = {
            "resourceType": "ServiceRequest",
            "meta": meta("yiyang-referral-request", self.institution.id),
            "identifier": [identifier(terms.REFERRAL_NUMBER, number)],
            "requisition": identifier(terms.REFERRAL_CHAIN, number),
            "status": "draft",
            "intent": "order",
            "category": [
                concept(local("service-category", "referral", "双向转诊")),
                concept(local("referral-direction", *terms.UP)),
            ],
            "priority": "routine",
            "code": concept(text="老年医学科门诊诊治"),
            "subject": reference(self.patient),
            "authoredOn": self.calendar.at(days_ago, 11),
            "requester": self.institution.member("nurse"),
            "performer": [self.county.hospital.reference],
            "reasonCode": [concept(text=self.health.conditions[0].name if self.health.conditions else "健康体检异常")],
        }
        return self._named(request, "referral")
