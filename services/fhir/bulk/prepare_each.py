"""Prepare many writes where one that is refused stops no other: http://hl7.org/fhir/R4/http.html#update"""

from collections.abc import Mapping

from services.fhir.interactions.owners import prepare_all
from services.fhir.interactions.prepare import Intent
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store.rows import Write
from services.kit.caller import Caller

Prepared = dict[int, Write | None]
Refusals = dict[int, FhirError]


async def prepare_each(intents: Mapping[int, Intent], caller: Caller, service: Service) -> tuple[Prepared, Refusals]:
    """All at once as long as none is refused; else each half by itself, down to the one that is at fault."""
    if not intents:
        return {}, {}
    try:
        return await prepare_all(intents, caller, service), {}
    except FhirError as error:
        if len(intents) == 1:
            return {}, dict.fromkeys(intents, error)
    numbers = list(intents)
    half = len(numbers) // 2
    prepared: Prepared = {}
    refusals: Refusals = {}
    for part in (numbers[:half], numbers[half:]):
        more, refused = await prepare_each({n: intents[n] for n in part}, caller, service)
        prepared |= more
        refusals |= refused
    return prepared, refusals
