"""What records decides before it is written: identifiers, temporary numbers (docs/adr/0032), documents, consortia."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.fhir.business import Change, Context, Decision, RefusedChange
from services.fhir.naming import TEMPORARY, canonical
from services.fhir.outcomes import FhirError
from services.records.consortia import check_writer
from services.records.documents import held_against_content
from services.records.identifiers import examine

Json = dict[str, Any]


async def business(changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> Decision:
    bodies = {}
    rests_on: list[tuple[str, str, int]] = []
    for n, change in enumerate(changes):
        if change.type == "OrganizationAffiliation":
            check_writer(change, context.caller)
        if change.after is None:
            continue
        if change.type == "DocumentReference":
            rests_on += await held_against_content(change, n, others, context)
            continue
        _check(change, n, context)
        if change.type == "Patient" and (numbered := _numbered(change.after, context)) is not None:
            bodies[n] = numbered
    return Decision(bodies=bodies, rests_on=tuple(rests_on))


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
