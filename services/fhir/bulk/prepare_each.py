"""Prepare many writes where one that is refused stops no other: http://hl7.org/fhir/R4/http.html#update"""

from collections.abc import Mapping

from services.fhir.interactions.intent import Intent
from services.fhir.interactions.owners import prepare_all
from services.fhir.interactions.prepare import Prepared, together
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.kit.caller import Caller

Refusals = dict[int, FhirError]


async def prepare_each(intents: Mapping[int, Intent], caller: Caller, service: Service) -> tuple[Prepared, Refusals]:
    """All at once as long as none is refused; else each half by itself, down to the one that is at fault."""
    if not intents:
        return Prepared(), {}
    try:
        return await prepare_all(intents, caller, service, apart=True), {}
    except FhirError as error:
        if len(intents) == 1:
            return Prepared(), dict.fromkeys(intents, error)
    numbers = list(intents)
    half = len(numbers) // 2
    prepared: list[Prepared] = []
    refusals: Refusals = {}
    for part in (numbers[:half], numbers[half:]):
        more, refused = await prepare_each({n: intents[n] for n in part}, caller, service)
        prepared.append(more)
        refusals |= refused
    return together(prepared), refusals
