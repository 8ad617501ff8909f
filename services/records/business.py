"""What records decides before it is written: identifiers, temporary numbers (docs/adr/0032), documents, consortia, stays and their beds."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

from services.fhir.business import Change, Context, Decision, RefusedChange
from services.fhir.naming import TEMPORARY, canonical
from services.fhir.outcomes import FhirError
from services.records import health_management
from services.records.consortia import check_writer
from services.records.documents import held_against_content
from services.records.identifiers import examine
from services.records.institutions import check_keeper
from services.records.rounds import check_round
from services.records.stays import decide_bed, decide_stay

Json = dict[str, Any]

_STAYS = frozenset({"Encounter", "Location"})


async def business(changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> Decision:
    bodies = {}
    rests_on: list[tuple[str, str, int]] = []
    stays = await _stays(changes, others, context)
    for n, change in enumerate(changes):
        if change.type == "OrganizationAffiliation":
            check_writer(change, context.caller)
        if change.type == "Organization":
            check_keeper(change, context.caller)
        if change.after is None or change.type in _STAYS:
            continue
        if change.type == "Composition":
            _check_blocks(change, n)
            continue
        if change.type == "DocumentReference":
            rests_on += await held_against_content(change, n, others, context)
            continue
        _check(change, n, context)
        if change.type == "Patient" and (numbered := _numbered(change.after, context)) is not None:
            bodies[n] = numbered
    return Decision(
        bodies={**bodies, **{n: body for each in stays for n, body in each.bodies.items()}},
        also=tuple(intent for each in stays for intent in each.also),
        rests_on=tuple(rests_on),
        takes=tuple(hold for each in stays for hold in each.takes),
        frees=tuple(held for each in stays for held in each.frees),
    )


async def _stays(changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> list[Decision]:
    """Of stays and their beds; a bed that this commit writes itself is looked at as it will be."""
    if not any(change.type in _STAYS for change in changes):
        return []  # to look through the others is to open each
    beds = {f"Location/{each.id}": each.after for each in changes if each.type == "Location" and each.after}
    written = frozenset({*beds, *(name for name in others if name.startswith("Location/"))})
    beside = ChainMap(beds, dict(others)) if beds else others
    found = []
    for n, change in enumerate(changes):
        if change.type == "Encounter":
            await check_round(n, change, others, context)
            found.append(await decide_stay(n, change, beside, written, context))
        elif change.type == "Location":
            found.append(await decide_bed(n, change, context))
    return found


def _check_blocks(change: Change, number: int) -> None:
    if issues := tuple(health_management.faults(change.after or {})):
        raise RefusedChange(FhirError(422, issues), number)


def _check(change: Change, number: int, context: Context) -> None:
    """What stood in the version before is no new mistake: a record can be changed without being put right first."""
    after = change.after or {}
    today = context.at.astimezone(context.zone).date()
    errors = [issue for issue in examine(after, today) if issue.severity == "error"]
    if errors and change.before is not None:
        known = {issue.diagnostics for issue in examine(change.before, today)}
        same = change.before.get("identifier") == after.get("identifier")
        errors = [issue for issue in errors if not same or issue.diagnostics not in known]
    if errors:
        raise RefusedChange(FhirError(422, tuple(errors)), number)


def _numbered(patient: Json, context: Context) -> Json | None:
    """An elder without papers gets a number where the sender leaves its value open; None where nothing is open."""
    given = patient.get("identifier", ())
    if not any(_is_open(each) for each in given):
        return None
    return patient | {"identifier": [each | {"value": _number(context)} if _is_open(each) else each for each in given]}


def _is_open(identifier: Json) -> bool:
    return canonical(identifier)[0] == TEMPORARY and "value" not in identifier


def _number(context: Context) -> str:
    """The day and eight characters that no other has."""
    day = context.at.astimezone(context.zone)
    return f"T{day:%Y%m%d}-{context.new_id().replace('-', '')[-8:].upper()}"
