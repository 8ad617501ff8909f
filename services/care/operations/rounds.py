"""EpisodeOfCare/$rounds: the rounds of a sickbed at home, how many there were and when the last one was: docs/adr/0057"""

from datetime import datetime
from typing import Any, Final

from services.care.residencies import HOME_BED, modes_of
from services.fhir.access.grants import instant_of, patient_in
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import parameters, read_inputs
from services.fhir.operations.operation import Operation
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ, SEARCH
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]

MOST: Final = 500
_CLASSES: Final = "HH,FLD"
_MADE: Final = "arrived,triaged,in-progress,onleave,finished"


async def rounds(request: FhirRequest, service: Service) -> Answer:
    """Newest first, as far as the caller may read."""
    read_inputs(request).check_known(())
    check_whole(request.caller, "Encounter", READ + SEARCH)
    stored = present(await service.stores.read("EpisodeOfCare", request.id), "EpisodeOfCare")
    episode = stored.parsed()
    if HOME_BED not in modes_of(episode):
        raise unprocessable(
            "Only a sickbed at home has rounds",
            code="business-rule",
            text="仅家庭病床有巡诊记录",
            expression=("EpisodeOfCare.type",),
        )
    asked = [
        ("episode-of-care", f"EpisodeOfCare/{request.id}"),
        ("class", _CLASSES),
        ("status", _MADE),
        ("_sort", "-date"),
        ("_count", str(MOST)),
    ]
    query = parse_search("Encounter", asked, now=request.at, strict=True, base=service.base, zone=service.zone)
    page = await service.stores.reading(lambda store: store.search(query))
    visits = [each.parsed() for each in page.matches]
    await service.stores.audit_log.record(request.audit("rounds", 200, about=(patient_in(episode.get("patient")),)))
    return parameters(*told(visits, request.at))


def told(visits: list[Json], at: datetime) -> list[Json]:
    """How many, when the last one was and how many days ago, and each."""
    starts = [str(each.get("period", {}).get("start", "")) for each in visits]
    last = next((text for text in starts if text), "")
    parts: list[Json] = [{"name": "count", "valueInteger": len(visits)}]
    if last:
        parts.append({"name": "last", "valueDateTime": last})
    if then := instant_of(last):
        parts.append({"name": "days-since", "valueInteger": max(0, (at - then).days)})
    for each, start in zip(visits, starts, strict=True):
        details = [
            {"name": "encounter", "valueReference": {"reference": f"Encounter/{each['id']}"}},
            {"name": "class", "valueCode": each["class"].get("code", "")},
            *([{"name": "start", "valueDateTime": start}] if start else []),
        ]
        parts.append({"name": "round", "part": details})
    return parts


OPERATION: Final = Operation(
    "rounds",
    "https://yiyang.example/fhir/OperationDefinition/EpisodeOfCare-rounds",
    ("instance",),
    ("EpisodeOfCare",),
    rounds,
)
