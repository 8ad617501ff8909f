"""A DocumentReference is written only with what its content bears out: http://hl7.org/fhir/R4/documentreference.html"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.fhir.business import Change, Context, RefusedChange
from services.fhir.outcomes import FhirError, Issue
from services.records.attachments import attachments, binary_of, content_of, faults

Json = dict[str, Any]
Rest = tuple[str, str, int]


async def held_against_content(
    change: Change, number: int, others: Mapping[str, Json], context: Context
) -> tuple[Rest, ...]:
    """The Binaries on whose versions it rests. One that the writer may not read is not compared: an answer would tell of it."""
    issues: list[Issue] = []
    rests_on: list[Rest] = []
    for place, attachment in _new(change):
        binary = binary_of(attachment, context.base)
        if binary is None:
            issues += faults(place, attachment, content_of(attachment)) if "data" in attachment else ()
        elif there := others.get(f"Binary/{binary}"):
            issues += faults(place, attachment, content_of(there), there["contentType"])
        elif found := await context.seen("Binary", binary):
            issues += faults(place, attachment, content_of(found[0]), found[0]["contentType"])
            rests_on.append(("Binary", binary, found[1]))
    if issues:
        raise RefusedChange(FhirError(422, tuple(issues)), number)
    return tuple(rests_on)


def _new(change: Change) -> Iterator[tuple[str, Json]]:
    """What stood in the version before is no new mistake."""
    before = [attachment for _, attachment in attachments(change.before or {})]
    return ((place, each) for place, each in attachments(change.after or {}) if each not in before)
