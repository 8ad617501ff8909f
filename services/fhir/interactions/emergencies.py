"""Whoever writes what opens a record in an emergency tells the patient's institutions so, in the same commit (docs/adr/0020).

A stat referral or a call for help does not ask anybody first; so a notice goes out, and a Task asks within a day why.
"""

from collections.abc import Iterable, Iterator

from services.fhir.access.grants import Opening
from services.fhir.access.notices import institution, notice, review
from services.fhir.interactions.intent import Intent, created
from services.fhir.service import Service
from services.fhir.store import registration
from services.fhir.store.rows import Write
from services.fhir.store.store import Store


async def notices_of(writes: Iterable[Write | None], platform: Store, service: Service) -> list[Intent]:
    """Once for each emergency that comes to count with these versions; `platform` sees all that is there."""
    intents: list[Intent] = []
    for write, opening in _emergencies(writes):
        source, writer, at = f"{write.type}/{write.id}", service.caller.organization, service.clock.now()
        opened = await platform.run(registration.emergency, opening.patient, source, opening.organization, writer, at)
        if opened is not None:
            intents += _told(write, opening, opened or [writer], service)
    return intents


def _emergencies(writes: Iterable[Write | None]) -> Iterator[tuple[Write, Opening]]:
    for write in writes:
        if write is not None and write.opens is not None and not write.by_platform:
            yield from ((write, each) for each in write.opens.openings if each.basis == "emergency")


def _told(write: Write, opening: Opening, homes: list[str], service: Service) -> list[Intent]:
    writer, at = service.caller.organization, service.clock.now()
    source = {"reference": f"{write.type}/{write.id}"}
    text = f"机构 {opening.organization} 因紧急转诊或紧急呼叫可查阅档案 4 小时，须在 24 小时内复核。"
    recipients = [each for each in homes if each != opening.organization] or [writer]
    told = notice(opening.patient, recipients, writer, text, at) | {"about": [source]}
    asked = review("emergency-review", "紧急访问复核", text, opening.patient, opening.organization, recipients, at)
    return [created(told), created(asked | {"focus": source, "requester": institution(opening.organization)})]
