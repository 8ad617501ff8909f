"""A small county by chance, and its indicators reckoned again in plain Python from the very resources that were sent."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final
from uuid import uuid4

from tests.builders import coded

Json = dict[str, Any]
Numbers = tuple[int, int | None]

CANONICAL: Final = "https://yiyang.example/fhir"
SYSTEM: Final = f"{CANONICAL}/CodeSystem"
YEAR: Final = 2025
START, END = date(YEAR, 1, 1), date(YEAR, 12, 31)
BLOCKS: Final = ("lifestyle", "examination", "tests", "guidance")
COUNTIES: Final = ("999101", "999102")
HEALTH_RECORD: Final = "urn:oid:2.16.156.10011.1.2"


class County:
    """Institutions by kind and all their resources, by type; every id is this county's own."""

    def __init__(self, seed: int, people: int) -> None:
        self.random = Random(seed)  # noqa: S311 - not a secret
        self.stem = uuid4().hex[:10]
        self.resources: dict[str, list[Json]] = {}
        self.homes = [self._institution("home", n, "nursing-home", COUNTIES[n % 2]) for n in range(4)]
        self.clinics = [self._institution("clinic", n, "B100", COUNTIES[n % 2]) for n in range(2)]
        self.institutions = [*self.homes, *self.clinics]
        for each in self.institutions:
            self._furnish(each)
        for _ in range(people):
            self._elder()

    def of(self, resource_type: str) -> list[Json]:
        return self.resources.get(resource_type, [])

    def entries(self) -> Iterator[Json]:
        """Each to be put, what others refer to first."""
        for kind, resources in self.resources.items():
            for each in resources:
                yield {"resource": each, "request": {"method": "PUT", "url": f"{kind}/{each['id']}"}}

    def _add(self, resource_type: str, **elements: Any) -> Json:
        made = {
            "resourceType": resource_type,
            "id": f"{self.stem}-{resource_type.lower()}-{len(self.of(resource_type))}",
        }
        self.resources.setdefault(resource_type, []).append(made | elements)
        return made | elements

    def _by_chance(self, share: float) -> bool:
        return self.random.random() < share

    def _day(self, first: date = date(YEAR - 1, 6, 1), last: date = date(YEAR + 1, 2, 1)) -> date:
        """One of the edges of the year now and then."""
        if self._by_chance(0.15):
            return self.random.choice([START, END, START - timedelta(days=1), END + timedelta(days=1)])
        return first + timedelta(days=self.random.randrange((last - first).days))

    def _institution(self, kind: str, number: int, code: str, division: str) -> str:
        extension = [{"url": f"{CANONICAL}/StructureDefinition/division-code", "valueCode": division}]
        made = self._add(
            "Organization",
            active=True,
            name=f"{kind} {number}",
            type=[coded(f"{SYSTEM}/institution-type", code)],
            address=[{"extension": extension, "text": "x"}],
        )
        return str(made["id"])

    def _furnish(self, institution: str) -> None:
        owner = {"reference": f"Organization/{institution}"}
        ward = self._add("Organization", active=True, name="ward", partOf=owner)
        if self._by_chance(0.4):
            self._add("Organization", active=True, name="unit", partOf=owner, type=[coded(f"{SYSTEM}/ws-218", "D400")])
        for _ in range(self.random.randrange(1, 9)):
            nature = self.random.choice(["nursing", "elderly-care", "medical"])
            self._add(
                "Location",
                status=self.random.choice(["active", "active", "active", "inactive"]),
                physicalType=coded(
                    "http://terminology.hl7.org/CodeSystem/location-physical-type",
                    self.random.choice(["bd", "bd", "ro"]),
                ),
                operationalStatus={
                    "system": "http://terminology.hl7.org/CodeSystem/v2-0116",
                    "code": self.random.choice("UOC"),
                },
                extension=[{"url": f"{CANONICAL}/StructureDefinition/bed-nature", "valueCode": nature}],
                managingOrganization=self.random.choice([owner, {"reference": f"Organization/{ward['id']}"}]),
            )
        for _ in range(self.random.randrange(3)):
            self._add(
                "HealthcareService",
                active=self._by_chance(0.7),
                providedBy=owner,
                characteristic=[coded(f"{SYSTEM}/service-category", self.random.choice(["green-channel", "consult"]))],
            )
        for _ in range(self.random.randrange(1, 5)):
            period = self.random.choice(
                [{"end": self._day().isoformat()}, {"start": "2020-01-01"}, {"end": "2030-01-01"}]
            )
            person = self._add("Practitioner", qualification=[{"code": {"text": "licence"}, "period": period}])
            self._add(
                "PractitionerRole",
                active=self._by_chance(0.8),
                practitioner={"reference": f"Practitioner/{person['id']}"},
                organization=owner,
                code=[coded(f"{SYSTEM}/staff-role", self.random.choice(["nurse", "physician", "cook"]))],
            )
        if self._by_chance(0.5):
            self._contract("cooperation", f"Organization/{institution}")

    def _contract(self, kind: str, subject: str) -> None:
        self._add(
            "Contract",
            status=self.random.choice(["executed", "executed", "offered"]),
            type=coded(f"{SYSTEM}/contract-type", kind),
            applies={"start": "2024-01-01", "end": self._day(date(YEAR, 6, 1), date(YEAR + 1, 6, 1)).isoformat()},
            subject=[{"reference": subject}],
            signer=[self._signed(each) for each in (subject, f"Organization/{self.random.choice(self.clinics)}")],
        )

    def _signed(self, party: str) -> Json:
        kind = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}
        signature = {"type": [kind], "when": "2024-01-01T08:00:00+08:00", "who": {"reference": party}}
        return {"type": {"code": "SIGNER"}, "party": {"reference": party}, "signature": [signature]}

    def _elder(self) -> None:
        home = self.random.choice(self.institutions)
        birth = date(YEAR - 65, 12, 31) + self.random.choice(
            [timedelta(0), timedelta(days=1), timedelta(days=self.random.randrange(-9000, 1500))]
        )
        record = [{"system": HEALTH_RECORD, "value": str(uuid4().int)[:17]}] if self._by_chance(0.6) else []
        optional = {
            "gender": "female",
            "telecom": [{"system": "phone", "value": "100"}],
            "address": [{"text": "x"}],
            "name": [{"text": "甲"}],
        }
        patient = self._add(
            "Patient",
            active=self._by_chance(0.95),
            birthDate=birth.isoformat(),
            **({"identifier": record} if record else {}),
            managingOrganization={"reference": f"Organization/{home}"},
            **{name: value for name, value in optional.items() if self._by_chance(0.85)},
        )
        subject = {"reference": f"Patient/{patient['id']}"}
        if home in self.homes:
            self._residency(home, subject)
        if self._by_chance(0.5):
            self._add(
                "EpisodeOfCare",
                status=self.random.choice(["active", "finished"]),
                type=[coded(f"{SYSTEM}/service-mode", "family-doctor")],
                patient=subject,
                managingOrganization={"reference": f"Organization/{home}"},
            )
        elif self._by_chance(0.5):
            self._contract("family-doctor", subject["reference"])
        self._check_up(subject)
        self._tcm(subject)
        if self._by_chance(0.2):
            self._add(
                "Condition",
                subject=subject,
                code=coded("http://hl7.org/fhir/sid/icd-10", self.random.choice(["F01", "F00.1", "I10"])),
            )

    def _residency(self, home: str, subject: Json) -> None:
        first = self._day(date(YEAR - 3, 1, 1), END)
        period = {"start": first.isoformat()}
        if self._by_chance(0.4):
            period["end"] = (first + timedelta(days=self.random.randrange(900))).isoformat()
        self._add(
            "EpisodeOfCare",
            status=self.random.choice(["active", "active", "onhold", "finished", "planned"]),
            type=[coded(f"{SYSTEM}/service-mode", self.random.choice(["residential", "residential", "day-care"]))],
            patient=subject,
            managingOrganization={"reference": f"Organization/{home}"},
            period=period,
        )
        if self._by_chance(0.7):
            assessed = self._day(date(YEAR - 2, 1, 1), date(YEAR + 1, 3, 1))
            when: Json = {"effectiveDateTime": assessed.isoformat()}
            if self._by_chance(0.5):
                when = {
                    "effectivePeriod": {
                        "start": assessed.isoformat(),
                        "end": (assessed + timedelta(days=364)).isoformat(),
                    }
                }
            self._add(
                "Observation",
                status=self.random.choice(["final", "final", "amended", "preliminary", "entered-in-error"]),
                code=coded(f"{SYSTEM}/gbt42195", "final-level"),
                valueCodeableConcept=coded(f"{SYSTEM}/gbt42195-level", self.random.choice("01234")),
                subject=subject,
                **when,
            )

    def _check_up(self, subject: Json) -> None:
        if not self._by_chance(0.8):
            return
        blocks = [b for b in BLOCKS if self._by_chance(0.93)] or ["tests"]
        self._add(
            "Composition",
            status=self.random.choice(["final", "final", "final", "preliminary"]),
            type=coded(f"{SYSTEM}/ws-483", "483.16"),
            subject=subject,
            date=self._day(date(YEAR - 1, 10, 1)).isoformat(),
            author=[{"reference": f"Organization/{self.clinics[0]}"}],
            title="成人健康体检",
            section=[
                {
                    "code": coded(f"{SYSTEM}/check-up-block", b),
                    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
                }
                for b in blocks
            ],
        )

    def _tcm(self, subject: Json) -> None:
        if not self._by_chance(0.7):
            return
        day = self._day(date(YEAR - 1, 10, 1))
        self._add(
            "Observation",
            status=self.random.choice(["final", "final", "entered-in-error"]),
            code=coded(f"{SYSTEM}/tcm33", "primary-type"),
            subject=subject,
            effectivePeriod={"start": day.isoformat(), "end": (day + timedelta(days=364)).isoformat()},
            valueCodeableConcept={"text": "平和质"},
        )
        if self._by_chance(0.8):
            self._add(
                "CarePlan",
                status=self.random.choice(["active", "active", "draft"]),
                intent="plan",
                subject=subject,
                category=[coded(f"{SYSTEM}/care-plan-category", "tcm")],
                period={"start": self._day(date(YEAR - 1, 10, 1)).isoformat()},
            )


# ---- the oracle ------------------------------------------------------------------------------------------------------------


def code_in(concept: Json | list[Json] | None, *codes: str) -> bool:
    concepts = concept if isinstance(concept, list) else [concept] if concept else []
    return any(c.get("code") in codes for each in concepts for c in each.get("coding", ()))


class Oracle:
    """(denominator, numerator) of each figure for one institution."""

    def __init__(self, county: County, institution: str) -> None:
        self.county = county
        self.institution = institution
        parts = [o["id"] for o in county.of("Organization") if ref(o.get("partOf")) == f"Organization/{institution}"]
        self.parts = {f"Organization/{each}" for each in (institution, *parts)}

    def figures(self) -> Mapping[str, Callable[[], Numbers]]:
        return {
            "elder-health-management/rate": self.health_management,
            "tcm-management/rate": self.tcm,
            "family-doctor/rate": self.family_doctor,
            "health-record/kept": self.kept,
            "data-quality/completeness": self.complete,
            "valid-assessment/rate": self.assessed,
            "disability-share/rate": self.disabled,
            "occupancy/rate": self.occupancy,
            "nursing-beds/rate": self.nursing_beds,
            "staff-credentials/rate": self.credentials,
            "agreement-coverage/rate": self.agreement,
            "integrated-institutions/number": self.integrated,
            "green-channel-coverage/rate": self.green_channel,
        }

    @property
    def is_home(self) -> bool:
        return self.institution in self.county.homes

    def elders(self, *, of_65: bool = True) -> list[str]:
        latest = date(YEAR - 65, 12, 31).isoformat() if of_65 else "9999"
        own = (p for p in self.county.of("Patient") if ref(p["managingOrganization"]) in self.parts)
        return [f"Patient/{p['id']}" for p in own if p["active"] and p["birthDate"] <= latest]

    def residents(self) -> set[str]:
        return {
            ref(e["patient"])
            for e in self.county.of("EpisodeOfCare")
            if code_in(e["type"], "residential")
            and e["status"] in ("active", "onhold")
            and ref(e["managingOrganization"]) in self.parts
            and e["period"]["start"] <= END.isoformat() <= e["period"].get("end", "9999")
        }

    def health_management(self) -> Numbers:
        done = {
            ref(c["subject"])
            for c in self.county.of("Composition")
            if c["status"] in ("final", "amended")
            and START.isoformat() <= c["date"] <= END.isoformat()
            and all(any(code_in(s["code"], block) for s in c["section"]) for block in BLOCKS)
        }
        return self._share(self.elders(), done)

    def tcm(self) -> Numbers:
        assessed = {
            ref(o["subject"])
            for o in self.county.of("Observation")
            if code_in(o["code"], "primary-type") and o["status"] == "final" and in_year(o["effectivePeriod"]["start"])
        }
        guided = {
            ref(p["subject"])
            for p in self.county.of("CarePlan")
            if p["status"] == "active" and in_year(p["period"]["start"])
        }
        return self._share(self.elders(), assessed & guided)

    def family_doctor(self) -> Numbers:
        contracts = {
            ref(c["subject"][0])
            for c in self.county.of("Contract")
            if code_in(c["type"], "family-doctor")
            and c["status"] == "executed"
            and c["applies"]["end"] >= END.isoformat()
        }
        episodes = {
            ref(e["patient"])
            for e in self.county.of("EpisodeOfCare")
            if code_in(e["type"], "family-doctor") and e["status"] == "active"
        }
        return self._share(self.elders(), contracts | episodes)

    def kept(self) -> Numbers:
        numbered = {f"Patient/{p['id']}" for p in self.county.of("Patient") if "identifier" in p}
        return self._share(self.elders(of_65=False), numbered)

    def complete(self) -> Numbers:
        names = ("name", "gender", "identifier", "address", "telecom")
        complete = {f"Patient/{p['id']}" for p in self.county.of("Patient") if all(name in p for name in names)}
        return self._share(self.elders(of_65=False), complete)

    def assessed(self) -> Numbers:
        return self._share(self.residents(), {who for who, _ in self._levels()})

    def disabled(self) -> Numbers:
        disabled = {who for who, level in self._levels() if level != "0"}
        demented = {ref(c["subject"]) for c in self.county.of("Condition") if code_in(c["code"], "F01", "F00.1")}
        return self._share(self.residents(), disabled | demented)

    def _levels(self) -> Iterator[tuple[str, str]]:
        for o in self.county.of("Observation"):
            if not code_in(o["code"], "final-level") or o["status"] not in ("final", "amended"):
                continue
            start = o.get("effectiveDateTime") or o["effectivePeriod"]["start"]
            end = o.get("effectiveDateTime") or o["effectivePeriod"]["end"]
            if start <= END.isoformat() and (end >= END.isoformat() or start > date(YEAR - 1, 12, 31).isoformat()):
                yield ref(o["subject"]), o["valueCodeableConcept"]["coding"][0]["code"]

    def occupancy(self) -> Numbers:
        first, after = date(YEAR - 1, 1, 1), END + timedelta(days=1)
        beds = sum(bed["operationalStatus"]["code"] != "C" for bed in self._beds())
        days = 0
        for e in self.county.of("EpisodeOfCare"):
            own = ref(e["managingOrganization"]) in self.parts and code_in(e["type"], "residential")
            if own and e["status"] in ("active", "onhold", "finished"):
                start = max(date.fromisoformat(e["period"]["start"]), first)
                end = date.fromisoformat(e["period"]["end"]) + timedelta(days=1) if "end" in e["period"] else after
                days += max(0, (min(end, after) - start).days)
        return beds * (after - first).days, days

    def nursing_beds(self) -> Numbers:
        if not self.is_home:
            return 0, 0
        beds = [*self._beds()]
        return len(beds), sum(bed["extension"][0]["valueCode"] == "nursing" for bed in beds)

    def _beds(self) -> Iterator[Json]:
        own = (each for each in self.county.of("Location") if ref(each["managingOrganization"]) in self.parts)
        return (each for each in own if each["status"] == "active" and code_in(each["physicalType"], "bd"))

    def credentials(self) -> Numbers:
        people = {f"Practitioner/{p['id']}": p["qualification"][0]["period"] for p in self.county.of("Practitioner")}
        roles = [
            r
            for r in self.county.of("PractitionerRole")
            if r["active"] and ref(r["organization"]) in self.parts and code_in(r["code"], "nurse", "physician")
        ]
        return len(roles), sum(people[ref(r["practitioner"])].get("end", "9999") >= END.isoformat() for r in roles)

    def agreement(self) -> Numbers:
        signed = any(
            ref(c["subject"][0]) == f"Organization/{self.institution}"
            and c["status"] == "executed"
            and c["applies"]["end"] >= END.isoformat()
            for c in self.county.of("Contract")
        )
        return int(self.is_home), int(self.is_home and (signed or self._has_unit()))

    def integrated(self) -> Numbers:
        return int(self.is_home and self._has_unit()), None

    def _has_unit(self) -> bool:
        own = (o for o in self.county.of("Organization") if ref(o.get("partOf")) == f"Organization/{self.institution}")
        return any(code_in(o.get("type"), "D400") for o in own)

    def green_channel(self) -> Numbers:
        is_medical = not self.is_home
        offered = any(
            s["active"] and ref(s["providedBy"]) in self.parts and code_in(s["characteristic"], "green-channel")
            for s in self.county.of("HealthcareService")
        )
        return int(is_medical), int(is_medical and offered)

    @staticmethod
    def _share(whole: list[str] | set[str], part: set[str]) -> Numbers:
        return len({*whole}), len({*whole} & part)


def ref(reference: Json | None) -> str:
    return str((reference or {}).get("reference", ""))


def in_year(day: str) -> bool:
    return START.isoformat() <= day <= END.isoformat()
