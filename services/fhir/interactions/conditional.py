"""Criteria instead of an id, or as a condition: http://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #cdelete (docs/adr/0012)

Criteria are understood strictly: what is unknown, empty or about the answer never makes them mean more, so it is refused.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.fhir.interactions.answers import written
from services.fhir.interactions.audit_period import check_no_detour
from services.fhir.interactions.commit import Finish, Written, carry_out
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.outcomes import FhirError, bad_request, not_found, precondition_failed
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parse import parse_criteria
from services.fhir.search.query import SearchQuery, types_in
from services.fhir.service import Service
from services.fhir.store.rows import Claim, Stored, Write
from services.fhir.store.store import Store
from services.fhir.store.write import VersionConflict
from services.fhir.within_scopes import check_may_search
from services.kit.caller import Caller


class _WithId(msgspec.Struct):
    id: str | None = None


_with_id = msgspec.json.Decoder(_WithId)


class Found(msgspec.Struct, frozen=True):
    """What the criteria find, None or one; `claim` is for who creates because there is none."""

    one: Stored | None
    claim: Claim


class Criteria(msgspec.Struct, frozen=True):
    """`key` is the same for all texts of the same criteria."""

    query: SearchQuery
    key: str


def read_criteria(resource_type: str, text: str, now: datetime, caller: Caller, service: Service) -> Criteria:
    """Raise 400 for criteria that cannot be taken as they are, 403 where a type that they look at may not be searched."""
    check_may_search(caller, (resource_type,))
    query = parse_criteria(resource_type, text, now=now, base=service.base, zone=service.zone)
    check_may_search(caller, types_in(query))
    check_no_detour(query)
    return Criteria(msgspec.structs.replace(query, count=2), _key(resource_type, query.conditions))


async def look(criteria: Criteria, store: Store) -> Found:
    """Raise 412 when several match."""
    claim = await store.turn(criteria.key)
    matches = (await store.search(criteria.query)).matches
    if len(matches) > 1:
        raise precondition_failed(
            "Several resources match the criteria", code="multiple-matches", text="有多个资源符合条件"
        )
    return Found(matches[0] if matches else None, claim)


async def write_where(intent: Intent, interaction: str, request: FhirRequest, service: Service) -> Answer:
    """Carry out a write whose criteria stand in the URL; 204 when nothing matched and nothing is to be written."""
    criteria = read_criteria(request.type, request.criteria, request.at, request.caller, service)
    answer = written(interaction, request, service, request.query)

    async def plan(store: Store) -> tuple[Prepared, Finish[Answer]]:
        found = await look(criteria, store)
        settled = settle(intent, found)
        prepared = await prepare({0: settled} if settled else {}, store, service)
        check_still_there(prepared.one(), found)

        def finish(store: Store, made: Written) -> Answer:
            if found.one is None and prepared.one() is not None:
                store.claim(found.claim)
            return answer(store, made.get(0))

        return prepared, finish

    async with service.stores.door(criteria.key):
        return await carry_out(plan, service)


def settle(intent: Intent, found: Found) -> Intent | None:
    """The write that is meant, now that it is known what matches; None when nothing is left to do."""
    one = found.one
    match intent.method:
        case "POST":
            return intent if one is None else None
        case "PUT":
            return _settled_update(intent, one)
        case "PATCH" if one is None:
            raise not_found("Nothing matches the criteria", text="没有符合条件的资源")
        case _:
            return None if one is None else msgspec.structs.replace(intent, id=one.id)


def _settled_update(intent: Intent, one: Stored | None) -> Intent:
    """http://hl7.org/fhir/R4/http.html#cond-update: the five cases."""
    named = id_in(intent.body)
    if one is not None:
        if named not in (None, one.id):
            raise bad_request(
                "The id in the body is not that of the resource that matches",
                code="value",
                text="资源 id 与符合条件的资源不一致",
                expression=(f"{intent.type}.id",),
            )
        return msgspec.structs.replace(intent, id=one.id, names_no_id=named is None)
    if named is not None:
        return msgspec.structs.replace(intent, id=named, is_new=True)
    if intent.if_match is not None:
        raise _nothing_at_that_version()
    return msgspec.structs.replace(intent, method="POST")


def check_still_there(write: Write | None, found: Found) -> None:
    """What was prepared must follow the very version that matched; else it may match no more."""
    if found.one is not None and (write is None or write.version != found.one.version + 1):
        raise VersionConflict


def id_in(body: bytes) -> str | None:
    """The id that a body names, as far as it is one; what is wrong with the body is told when it is prepared."""
    try:
        return _with_id.decode(body).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _nothing_at_that_version() -> FhirError:
    return precondition_failed("Nothing matches the criteria, so nothing is at the version of If-Match")


def _key(resource_type: str, conditions: Sequence[Any]) -> str:
    """Parameters in any order mean the same."""
    meant = b"\n".join(sorted(msgspec.json.encode(condition) for condition in conditions))
    return f"{resource_type}?{hashlib.sha256(meant).hexdigest()}"
