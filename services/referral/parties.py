"""Who the parties are and what they may: the actors of a caller, the signing physician, the administrator, the agreement."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.fhir.access.grants import instant_of
from services.fhir.clockwork import is_clock
from services.fhir.elements import codes_in, id_in, reference_in
from services.kit.caller import Caller
from services.referral.agreements import Agreement, affiliation_of, agreement_of, consortium_of, relation
from services.referral.codes import INSTITUTION_TYPE, STAFF_ROLE, outputs
from services.referral.desk import Desk
from services.referral.workflow import Actor

Json = dict[str, Any]


def actors_of(caller: Caller, task: Json, administrator: str | None = None) -> frozenset[Actor]:
    """What the caller is to this referral; nothing where it is no party."""
    if is_clock(caller):
        return frozenset({"C"})
    found: set[Actor] = set()
    if id_in(task.get("requester"), "Organization") == caller.organization:
        found |= {"P", "A"} if administrator else {"P"}
    if id_in(task.get("owner"), "Organization") == caller.organization:
        found.add("F")
    return frozenset(found)


async def administrator_of(task: Json, desk: Desk) -> str | None:
    """The person who confirms, when it is an administrator of the placer; a system names who it is."""
    caller = desk.context.caller
    person = caller.practitioner or next((reference_in(each) for each in outputs(task, "administrator")[-1:]), None)
    placer = id_in(task.get("requester"), "Organization")
    if not person or not placer or not person.startswith("Practitioner/"):
        return None
    roles = await _roles(person, placer, desk)
    return person if any("administrator" in codes_in(role.get("code"), STAFF_ROLE) for role in roles) else None


async def is_signed(request: Json, placer: str, desk: Desk) -> bool:
    """Is the requester a physician of the placer whose licence is valid now?"""
    person = reference_in(request.get("requester"))
    if person.startswith("PractitionerRole/"):
        role = await desk.resource(person)
        roles = [role] if role and id_in(role.get("organization"), "Organization") == placer else []
        person = reference_in(role.get("practitioner")) if role else ""
    else:
        roles = await _roles(person, placer, desk) if person.startswith("Practitioner/") else []
    if not any("physician" in codes_in(role.get("code"), STAFF_ROLE) for role in roles):
        return False
    practitioner = await desk.resource(person)
    return practitioner is not None and _is_licensed(practitioner.get("qualification", ()), desk.context.at)


async def kind_of(organization: str, desk: Desk) -> str:
    found = await desk.resource(f"Organization/{organization}")
    return next(iter(codes_in((found or {}).get("type"), INSTITUTION_TYPE)), "")


async def agreement_between(placer: str, fulfiller: str, direction: str, desk: Desk) -> Agreement | None:
    """The relation that permits this direction now; a contract comes before a consortium."""
    parties, at = (placer, fulfiller), desk.context.at
    named = [("subject", f"Organization/{each}") for each in parties]
    contracts = await desk.search("Contract", *named, ("status", "executed"))
    found = [each for contract, _ in contracts if (each := agreement_of(contract, parties, at))]
    if relation(found, direction) is None:
        own, other = [
            [each for each, _ in await desk.search("OrganizationAffiliation", ("participating-organization", f"Organization/{name}"))]
            for name in parties
        ]  # fmt: skip
        found += [each for a in (*own, *other) if (each := affiliation_of(a, parties, at))]
        shared = consortium_of(own, other, at)
        found += [shared] if shared else []
    return relation(found, direction)


async def agreement_at(source: str, placer: str, fulfiller: str, desk: Desk) -> Agreement | None:
    """The relation under which a referral was submitted, as it is now."""
    found = await desk.resource(source) if source else None
    if found is None:
        return None
    made = agreement_of if found["resourceType"] == "Contract" else affiliation_of
    parties = (placer, fulfiller)
    lead = id_in(found.get("organization"), "Organization")
    return made(found, parties, desk.context.at) or Agreement(source, frozenset(), lead=lead)


async def _roles(person: str, organization: str, desk: Desk) -> list[Json]:
    found = await desk.search(
        "PractitionerRole", ("practitioner", person), ("organization", f"Organization/{organization}")
    )
    return [role for role, _ in found if role.get("active") is not False and _is_valid(role, desk.context.at)]


def _is_licensed(qualifications: Iterable[Json], at: datetime) -> bool:
    return any(_is_valid(each, at) for each in qualifications)


def _is_valid(thing: Json, at: datetime) -> bool:
    """An end of a day counts to the end of that day in the earliest zone; one that is not understood is no end."""
    end = str(thing.get("period", {}).get("end", ""))
    instant = instant_of(end)
    return at <= instant if instant else not end or at.date().isoformat()[: len(end)] <= end
