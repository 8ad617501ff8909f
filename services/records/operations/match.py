"""Patient/$match: who of the patients within reach may be the person of this record, scored and graded.

http://hl7.org/fhir/R4/patient-operation-match.html
"""

from typing import Any, Final

import msgspec

from services.fhir.bundle import bundle
from services.fhir.operations.inputs import invalid, read_inputs
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.records.matching import Features, Verdict, compare, features_of, searches_for

Json = dict[str, Any]

DEFAULT_COUNT: Final = 10
MAX_COUNT: Final = 100
MOST_CANDIDATES: Final = 500
"""Of one search; a search that finds more says too little to tell people apart."""
_GRADE: Final = "http://hl7.org/fhir/StructureDefinition/match-grade"

Match = tuple[Stored, Verdict]


async def match(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known({"resource", "onlyCertainMatches", "count"})
    stated = inputs.resource("resource", "Patient")
    if stated is None:
        raise invalid("resource", "a Patient is needed", "须提供患者信息")
    person = features_of(stated)
    searches = searches_for(person)
    if not searches:
        raise unprocessable(
            "An identifier, a phone number or a name is needed to look for",
            code="incomplete",
            text="至少须提供证件号码、电话或姓名之一",
            expression=("Patient",),
        )
    found = _ranked(person, await _candidates(searches, request, service))
    shown = _shown(found, count=inputs.number("count"), only_certain=bool(inputs.flag("onlyCertainMatches")))
    await service.stores.audit_log.record(request.audit("match", 200, about=[stored.patient for stored, _ in shown]))
    return Answer(200, bundle("searchset", [_entry(*each, service.base) for each in shown], total=len(shown)))


async def _candidates(searches: Any, request: FhirRequest, service: Service) -> dict[str, Stored]:
    """By indexed keys alone, and as far as the caller may see."""
    queries = [
        parse_search("Patient", search, now=request.at, strict=True, base=service.base, zone=service.zone)
        for search in searches
    ]

    async def look(store: Store) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        for query in queries:
            page = await store.search(msgspec.structs.replace(query, count=MOST_CANDIDATES))
            found |= {stored.id: stored for stored in page.matches}
        return found

    return await service.stores.reading(look)


def _ranked(person: Features, candidates: dict[str, Stored]) -> list[Match]:
    verdicts = [(stored, compare(person, features_of(stored.parsed()))) for stored in candidates.values()]
    likely = [each for each in verdicts if each[1].grade != "certainly-not"]
    return sorted(likely, key=lambda each: (-each[1].bits, each[0].id))


def _shown(found: list[Match], *, count: int | None, only_certain: bool) -> list[Match]:
    """`onlyCertainMatches`: the single one that is certain; of several none is."""
    if only_certain:
        certain = [each for each in found if each[1].grade == "certain"]
        return certain if len(certain) == 1 else []
    return found[: min(count or DEFAULT_COUNT, MAX_COUNT)]


def _entry(stored: Stored, verdict: Verdict, base: str) -> str:
    search = {
        "extension": [{"url": _GRADE, "valueCode": verdict.grade}],
        "mode": "match",
        "score": verdict.score,
    }
    return f'{{"fullUrl":"{base}/{stored.type}/{stored.id}","resource":{stored.body},"search":{msgspec.json.encode(search).decode()}}}'
