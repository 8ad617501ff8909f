"""Who may see what, said once more in plain Python and without SQL: docs/adr/0011"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.leak.limits import LIMITS, Test

Json = dict[str, Any]

DIRECTORY = frozenset({"Organization", "Practitioner", "Schedule"})
TREATMENT = frozenset({"TREAT", "ETREAT", "BTG"})
CARE = TREATMENT | {"HOPERAT", "PATRQT", "FAMRQT"}
OVERRIDING = frozenset({"ETREAT", "BTG"})


class Who(NamedTuple):
    """A caller: its organization, or the reference of a person who asks for herself or as a proxy; its purpose; what its scopes leave."""

    organization: str
    purpose: str
    limit: str = ""

    @property
    def patient(self) -> str | None:
        """Who asks for herself."""
        return self.organization.removeprefix("Patient/") if self.organization.startswith("Patient/") else None


@dataclass
class Grant:
    """A basis of one organization for one patient; None limits nothing."""

    patient: str
    organization: str
    source: str
    types: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    resources: frozenset[str] | None = None
    may_write: bool = True
    founds: bool = True
    overrides: bool = False


@dataclass
class Denial:
    """What a consent denies; `exceptions` are permitted all the same."""

    patient: str
    organization: str | None
    source: str
    types: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    exceptions: tuple["Denial", ...] = ()


@dataclass
class Thing:
    """A resource with what decides who sees it; `past` are the bodies of its older versions."""

    body: Json
    author: str
    patients: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    past: list[Json] = field(default_factory=list)
    is_deleted: bool = False

    @property
    def type(self) -> str:
        return str(self.body["resourceType"])

    @property
    def name(self) -> str:
        return f"{self.type}/{self.body['id']}"


def name_of(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


class Model:
    """All resources of a world, and all that opens and denies them."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.grants: list[Grant] = []
        self.denials: list[Denial] = []
        self.supervised: set[tuple[str, str]] = set()

    def seen(self, who: Who) -> dict[str, Thing]:
        """What is there for this caller."""
        return {name: t for name, t in self.things.items() if not t.is_deleted and self.sees(who, t)}

    def sees(self, who: Who, thing: Thing) -> bool:
        return self._is_in_reach(who, thing) and self.grants_it(who, thing)

    def sees_version(self, who: Who, thing: Thing, number: int) -> bool:
        """A version of the past is seen by what the resource is, and by what it was itself; a deletion says nothing."""
        body = [*thing.past, thing.body][number - 1] if number <= len(thing.past) + 1 else None
        test = self._limit(who, thing.type)
        return self.sees(who, thing) and (test is None or (body is not None and test(body)))

    def grants_it(self, who: Who, thing: Thing) -> bool:
        return self._limit(who, thing.type) is None or (not thing.is_deleted and self.grants_body(who, thing.body))

    def grants_whole(self, who: Who, resource_type: str) -> bool:
        """Most operations look at no parameters of scopes, so they need the type whole."""
        return self._limit(who, resource_type) is None

    def grants_body(self, who: Who, body: Json) -> bool:
        """Do the scopes grant what is written here?"""
        test = self._limit(who, str(body["resourceType"]))
        return test is None or test(body)

    def _limit(self, who: Who, resource_type: str) -> Test | None:
        return LIMITS[who.limit].of(resource_type) if who.limit else None

    def _is_in_reach(self, who: Who, thing: Thing) -> bool:
        if who.patient is not None:
            return thing.patients == {who.patient} or (thing.type in DIRECTORY and not thing.patients)
        if thing.author == who.organization:
            return True
        if thing.type in DIRECTORY and not thing.patients:
            return self._is_cleared(who, thing)
        if not thing.patients:
            return False
        if not self._is_cleared(who, thing) and not self._overrides(who, thing):
            return False
        return all(self._reaches(who, patient, thing) for patient in thing.patients)

    def writes(self, who: Who, thing: Thing) -> bool:
        return self._may_write(who, thing) and self.grants_it(who, thing)

    def _may_write(self, who: Who, thing: Thing) -> bool:
        if who.patient is not None:
            return thing.author == who.organization and thing.patients == {who.patient}
        if thing.author == who.organization:
            return True
        if thing.type in DIRECTORY and not thing.patients:
            return self._is_cleared(who, thing)
        is_cleared = self._is_cleared(who, thing) or self._overrides(who, thing, writing=True)
        return (
            bool(thing.patients)
            and is_cleared
            and all(self._reaches(who, patient, thing, writing=True) for patient in thing.patients)
        )

    def refers(self, who: Who, patient: str) -> bool:
        """May the caller write of this patient?"""
        thing = self.things.get(f"Patient/{patient}")
        if thing is None or thing.is_deleted:
            return False
        if who.patient is not None:
            return patient == who.patient and self.grants_it(who, thing)
        return thing.author == who.organization or any(
            g.organization == who.organization for g in self._bases(who, patient, thing)
        )

    def founds(self, who: Who, patient: str) -> bool:
        return patient == who.patient or any(
            g.founds and g.patient == patient and g.organization == who.organization and _for_purpose(g.purposes, who)
            for g in self.grants
        )

    def _reaches(self, who: Who, patient: str, thing: Thing, *, writing: bool = False) -> bool:
        for g in self._bases(who, patient, thing):
            if g.organization == who.organization and (g.may_write or not writing):
                return True
            if not writing and g.founds and (who.organization, g.organization) in self.supervised:
                return True
        return False

    def _bases(self, who: Who, patient: str, thing: Thing) -> Iterable[Grant]:
        for g in self.grants:
            if g.patient != patient or not _for_purpose(g.purposes, who) or not _covers(g.types, thing.type):
                continue
            if g.resources is not None and thing.name not in g.resources:
                continue
            if (g.overrides and who.purpose in OVERRIDING) or not self._is_denied(who, patient, thing, g):
                yield g

    def _is_denied(self, who: Who, patient: str, thing: Thing, grant: Grant) -> bool:
        return any(
            _applies(d, who, thing, grant) and not any(_applies(x, who, thing, grant) for x in d.exceptions)
            for d in self.denials
            if d.patient == patient
        )

    def _overrides(self, who: Who, thing: Thing, *, writing: bool = False) -> bool:
        return who.purpose in OVERRIDING and all(
            any(
                g.overrides and g.organization == who.organization and (g.may_write or not writing)
                for g in self._bases(who, patient, thing)
            )
            for patient in thing.patients
        )

    def _is_cleared(self, who: Who, thing: Thing) -> bool:
        return thing.labels <= (frozenset({"R"}) if who.purpose in TREATMENT else frozenset())


def _for_purpose(purposes: frozenset[str] | None, who: Who) -> bool:
    return who.purpose in CARE if purposes is None else who.purpose in purposes


def _covers(types: frozenset[str] | None, resource_type: str) -> bool:
    return types is None or resource_type in types


def _applies(denial: Denial, who: Who, thing: Thing, grant: Grant) -> bool:
    return (
        denial.organization in (None, who.organization, grant.organization)
        and (denial.purposes is None or who.purpose in denial.purposes)
        and _covers(denial.types, thing.type)
    )
