"""A stay takes its bed and gives it up, in the commit that says so: never two in one bed (docs/adr/0026, docs/adr/0054).

http://hl7.org/fhir/R4/encounter.html
"""

from collections.abc import Mapping
from typing import Any

from services.fhir.access.grants import name_in
from services.fhir.business import Change, Context, Decision, Hold, Intent, RefusedChange, changed
from services.fhir.outcomes import FhirError, conflict, unprocessable
from services.records import beds

Json = dict[str, Any]
There = Mapping[str, tuple[Json, int]]

_DEEPEST = 4
"""Departments within departments, up to their institution."""


async def decide_stay(
    place: int, change: Change, others: Mapping[str, Json], written: frozenset[str], context: Context
) -> Decision:
    """`written` are the Locations that the same commit writes."""
    before, after = change.before, change.after
    left, now = beds.places_of(before), beds.places_of(after)
    if not left and not now:
        return Decision()
    there = await _beds({*left, *now}, others, context)
    new, gone = ([name for name in names if name in there] for names in (now, left))
    added, given_up = [n for n in new if n not in gone], [n for n in gone if n not in new]
    for name in new:
        _check_fits(after or {}, there[name][0], place, is_new=name in added or _class_changed(change))
    for name in added:
        await _check_own(there[name][0], place, others, context)
        await _check_open(name, there[name][0], after or {}, place, context)
    holder = f"Encounter/{change.id}"
    is_bedded = bool(new or gone) and before is not None and after is not None
    body = beds.with_histories(before or {}, after or {}, context.at.astimezone(context.zone)) if is_bedded else None
    return Decision(
        bodies={place: body} if body is not None and body != after else {},
        also=(
            *_marked(added, beds.OCCUPIED, there, written),
            *_marked(given_up, beds.UNOCCUPIED, there, written),
        ),
        takes=tuple(Hold(occupied(name), holder) for name in added),
        frees=tuple(f"{holder} {occupied(name)}" for name in given_up),
    )


def occupied(bed: str) -> str:
    """Held by the stay of who lies in it; `bed:…` is what a referral reserves."""
    return f"occupied:{bed}"


async def _beds(names: set[str], others: Mapping[str, Json], context: Context) -> There:
    """Those of the places that are beds, with their versions; 0 of one that this commit writes."""
    await context.fetch(sorted(names - others.keys()))
    found: dict[str, tuple[Json, int]] = {}
    for name in sorted(names):
        there = (others[name], 0) if name in others else await context.read(*name.split("/", 1))
        if there is not None and beds.is_bed(there[0]):
            found[name] = there
    return found


def _marked(names: list[str], status: str, there: There, written: frozenset[str]) -> list[Intent]:
    """The beds as they are from here, where nobody writes them beside it."""
    return [
        changed(beds.with_status(there[name][0], status), there[name][1])
        for name in names
        if name not in written and beds.status_of(there[name][0]) != status
    ]


def _class_changed(change: Change) -> bool:
    return (change.before or {}).get("class") != (change.after or {}).get("class")


def _check_fits(encounter: Json, bed: Json, place: int, *, is_new: bool) -> None:
    if is_new and not beds.fits(encounter, bed):
        error = unprocessable(
            "Hospital care is given in a medical bed: convert the bed, or move to another",
            code="business-rule",
            text="住院须使用医疗床位，请先转换床位性质或更换床位",
            expression=("Encounter.location",),
        )
        raise RefusedChange(error, place)


async def _check_own(bed: Json, place: int, others: Mapping[str, Json], context: Context) -> None:
    """Nobody fills the beds of another institution; those of a department are its institution's."""
    name = name_in(bed.get("managingOrganization"))
    if name is None:
        return
    for _ in range(_DEEPEST):
        if name is None or name == f"Organization/{context.caller.organization}":
            break
        found = (others[name], 0) if name in others else await context.read(*name.split("/", 1))
        name = name_in(found[0].get("partOf")) if found else None
    if name is None:
        error = unprocessable(
            "The bed is another institution's",
            code="business-rule",
            text="该床位不属于本机构",
            expression=("Encounter.location",),
        )
        raise RefusedChange(error, place)


async def _check_open(name: str, bed: Json, encounter: Json, place: int, context: Context) -> None:
    """A bed that is closed, or reserved for somebody else, is not taken; that nobody lies in it is seen when it is taken."""
    if not beds.is_open(bed):
        raise _taken("the bed is closed, contaminated or being cleaned", "该床位已停用、污染或清洁中", place)
    reserving = (await context.holders([f"bed:{name}"])).get(f"bed:{name}", "")
    if reserving.startswith("Task/"):
        task = await context.read(*reserving.split("/", 1))
        if task is not None and name_in(task[0].get("for")) != name_in(encounter.get("subject")):
            raise _taken("the bed is reserved for another patient", "该床位已为其他患者预留", place)


def _taken(english: str, chinese: str, place: int) -> FhirError:
    text = f"{chinese} · {english}"
    return RefusedChange(conflict(english, code="conflict", text=text, expression=("Encounter.location",)), place)


async def decide_bed(place: int, change: Change, context: Context) -> Decision:
    """A bed in which somebody lies is occupied, whatever is written of it, and stays as long."""
    before, after = change.before, change.after
    if before is None or not beds.is_bed(before):
        return Decision()
    key = occupied(f"Location/{change.id}")
    if not (await context.held([key])).get(key):
        return Decision()
    if after is None or not beds.is_bed(after) or after.get("status", "active") != "active":
        error = conflict(
            "Somebody lies in this bed", text="该床位有人在住，不能停用或删除", expression=("Location.status",)
        )
        raise RefusedChange(error, place)
    body = beds.with_status(after, beds.OCCUPIED)
    return Decision(bodies={place: body} if beds.status_of(after) != beds.OCCUPIED else {})
