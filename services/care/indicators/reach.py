"""Whose figures a caller may have: an institution its own, a supervisor those whom it supervises, as aggregates; nobody anybody else's."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from services.fhir.outcomes import forbidden
from services.fhir.store.places import Place, places, supervised_by
from services.fhir.store.store import Store

Supervisors = Mapping[str, Sequence[str]]
"""Organizations that supervise whole divisions by the setting, and the beginnings of their codes."""


class Reach(msgspec.Struct, frozen=True):
    """`whole` are all institutions that the table is made of, of which those in `shown` are told; `is_own` tells that nothing is hidden."""

    whole: tuple[Place, ...]
    shown: tuple[Place, ...]
    is_own: bool


async def reach_of(
    store: Store, organization: str, subject: str | None, division: str | None, supervisors: Supervisors, at: datetime
) -> Reach:
    """`subject` is an institution, `division` a county; raise 403 for what is not this organization's to know."""
    if subject == organization or (
        subject is None and division is None and not await _supervises(store, organization, supervisors, at)
    ):
        own = await store.run(places, [organization])
        if own:
            return Reach(own, own, is_own=True)
        raise _refused()
    whole = await _supervised(store, organization, supervisors, at)
    shown = tuple(place for place in whole if _is_meant(place, subject, division))
    if not shown:
        raise _refused()
    return Reach(whole, shown, is_own=False)


async def _supervises(store: Store, organization: str, supervisors: Supervisors, at: datetime) -> bool:
    return bool(supervisors.get(organization)) or bool(await store.run(supervised_by, organization, at))


async def _supervised(store: Store, organization: str, supervisors: Supervisors, at: datetime) -> tuple[Place, ...]:
    ids = await store.run(supervised_by, organization, at)
    divisions = supervisors.get(organization, ())
    return await store.run(places, ids, divisions, organization) if ids or divisions else ()


def _is_meant(place: Place, subject: str | None, division: str | None) -> bool:
    if subject is not None:
        return place.id == subject
    return division is None or place.division == division[:6]


def _refused() -> Exception:
    return forbidden(
        "Figures are told to the institution itself, and to the organization that supervises it",
        text="指标仅提供给本机构及其监管机构",
    )
