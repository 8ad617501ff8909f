"""A clinic with number sources, and homes that book there for their elders."""

from typing import Any

from services.referral.codes import CAPACITY_EXTENSION, QUOTA_OWNER_EXTENSION
from tests.house import Fhir, Response
from tests.referrals import Scene, parameters, reference

Json = dict[str, Any]


class Desk:
    """A clinic of the fulfiller with a schedule, and homes that book there for their elders."""

    def __init__(self, scene: Scene, schedule: str, doctor: str) -> None:
        self.scene = scene
        self.schedule = schedule
        self.doctor = doctor

    @classmethod
    async def opened(cls, scene: Scene, owner: int = 1) -> "Desk":
        institution = reference(f"Organization/{scene.organizations[owner]}")
        offered = {"resourceType": "HealthcareService", "active": True, "providedBy": institution}
        service = await scene.fulfiller.created(offered)
        doctor = await scene.fulfiller.created({"resourceType": "Practitioner", "name": [{"text": "白求恩"}]})
        actors = [reference(f"HealthcareService/{service['id']}"), reference(f"Practitioner/{doctor['id']}")]
        schedule = await scene.fulfiller.created({"resourceType": "Schedule", "actor": actors})
        return cls(scene, f"Schedule/{schedule['id']}", f"Practitioner/{doctor['id']}")

    async def slot(self, hours: float = 48, places: int = 1, kept_for: str = "", **changes: Any) -> str:
        extensions = [{"url": CAPACITY_EXTENSION, "valueInteger": places}] if places > 1 else []
        if kept_for:
            extensions.append({"url": QUOTA_OWNER_EXTENSION, "valueReference": reference(f"Organization/{kept_for}")})
        made = {
            "resourceType": "Slot", "status": "free", "schedule": reference(self.schedule),
            "start": self.scene.now(hours=hours), "end": self.scene.now(hours=hours + 0.25),
        }  # fmt: skip
        stored = await self.scene.fulfiller.created(made | ({"extension": extensions} if extensions else {}) | changes)
        return f"Slot/{stored['id']}"

    async def found(self, client: Fhir, **asked: Any) -> list[Json]:
        return [each["resource"] for each in (await self.looked(client, **asked)).get("entry", ())]

    async def looked(self, client: Fhir, **asked: Any) -> Json:
        times = {"start": self.scene.now(), "end": self.scene.now(days=10), "practitioner": self.doctor}
        names = {"_count": "valueInteger"}
        given = [
            {"name": k if k in names else k.replace("_", "-"), names.get(k, "valueString"): v}
            for k, v in (times | asked).items()
            if v is not None
        ]
        answer = await client.post("/Appointment/$find", parameters(*given))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def asked(self, operation: str, client: Fhir, *parts: Json, patient: str = "") -> Response:
        who = [{"name": "patient-reference", "valueReference": reference(patient or self.scene.patient)}]
        return await client.post(f"/Appointment/${operation}", parameters(*parts, *who))

    async def booked(self, slot: str, client: Fhir | None = None, patient: str = "") -> Json:
        answer = await self.asked("book", client or self.scene.placer, of(slot), patient=patient)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def status(self, slot: str) -> str:
        found: str = (await self.scene.fulfiller.get(f"/{slot}")).json()["status"]
        return found


def of(slot: str) -> Json:
    return {"name": "slot", "valueReference": reference(slot)}


def again(appointment: Json) -> Json:
    return {"name": "appointment-reference", "valueReference": reference(f"Appointment/{appointment['id']}")}


def slots(appointments: list[Json]) -> list[str]:
    return [each["slot"][0]["reference"] for each in appointments]
