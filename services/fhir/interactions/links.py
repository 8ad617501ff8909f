"""What the entries of a transaction call each other, and the ids that stand behind it: http://hl7.org/fhir/R4/http.html#trules"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import unquote

import msgspec

from services.fhir.interactions.conditional import look, read_criteria
from services.fhir.interactions.envelope import Entry, at_entry
from services.fhir.outcomes import FhirError, precondition_failed
from services.fhir.references import conditional, literal_references, rewriter
from services.fhir.search.index import patient_reference
from services.fhir.service import Service
from services.fhir.store.shards import new_id, shard_of
from services.fhir.store.store import Store
from services.kit.caller import Caller

# http://hl7.org/fhir/R4/bundle.html#references: a fullUrl of this form makes relative references relative to it
_RESTFUL: Final = re.compile(r"(https?://\S+/)[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")

Places = Mapping[str, str]
"""What stands in a reference → `Type/id`."""


def assigned_ids(entries: Iterable[Entry], known: Mapping[int, str], resolved: Places, now: datetime) -> dict[int, str]:
    """An id for each entry. Patients first: what is bound to a patient carries the patient's shard in its id."""
    entries = [*entries]
    ids = {**known, **{e.index: new_id(now) for e in entries if e.type == "Patient" and e.index not in known}}
    patients = {e.full_url: f"Patient/{ids[e.index]}" for e in entries if e.type == "Patient" and e.full_url} | dict(
        resolved
    )
    for entry in entries:
        if entry.index not in ids:
            ids[entry.index] = new_id(now, _shard(entry, patients))
    return ids


def _shard(entry: Entry, patients: Places) -> int | None:
    """What is not valid has no shard: its owner will say what is wrong with it."""
    try:
        reference = patient_reference(entry.type)(entry.resource)
    except AttributeError:
        return None
    if not isinstance(reference, str):
        return None
    kind, _, patient = patients.get(reference, reference).partition("/")
    return shard_of(patient) if kind == "Patient" and patient else None


class Links:
    """Rewrites an entry's body: fullUrls, what is relative to a RESTful fullUrl, and conditional references."""

    def __init__(self, places: Places, resolved: Places) -> None:
        self._places = {**places, **resolved}
        self._relative: dict[str, dict[str, str]] = defaultdict(dict)
        self._rewriters: dict[str, Callable[..., bytes]] = {}
        for full_url, target in places.items():
            if (root := _root(full_url)) and full_url[len(root) :] != target:
                self._relative[root][full_url[len(root) :]] = target

    def rewritten(self, entry: Entry) -> bytes:
        root = _root(entry.full_url)
        mapping = self._places | self._relative[root] if root in self._relative else self._places
        if not mapping or not entry.raw:
            return entry.raw
        key = root if root in self._relative else ""
        if key not in self._rewriters:
            self._rewriters[key] = rewriter(mapping)
        return self._rewriters[key](entry.raw, entry.resource)

    def within(self, patch: bytes) -> bytes:
        """A JSON Patch has no types: there a string that is a fullUrl is replaced."""
        for full_url, target in self._places.items():
            patch = patch.replace(f'"{full_url}"'.encode(), f'"{target}"'.encode())
        return patch


def _root(full_url: str) -> str:
    found = _RESTFUL.fullmatch(full_url) if full_url.startswith("http") else None
    return found[1] if found else ""


def with_places(criteria: str, places: Places) -> str:
    """Criteria that name a fullUrl mean what it stands for."""
    parts = (part.partition("=") for part in criteria.split("&"))
    return "&".join(f"{name}{sign}{places.get(unquote(value), value)}" for name, sign, value in parts)


class ByCriteria(msgspec.Struct, frozen=True):
    """A reference by criteria, and the first entry that has it."""

    type: str
    criteria: str
    index: int


def conditional_references(entries: Iterable[Entry], base: str) -> dict[str, ByCriteria]:
    """By what stands in the reference."""
    found: dict[str, ByCriteria] = {}
    for entry in entries:
        if b"?" in entry.raw:
            for reference in literal_references(entry.resource):
                if reference not in found and (parts := conditional(reference, base)):
                    found[reference] = ByCriteria(*parts, entry.index)
    return found


async def resolve(
    references: Mapping[str, ByCriteria], places: Places, caller: Caller, now: datetime, store: Store, service: Service
) -> dict[str, str]:
    """http://hl7.org/fhir/R4/http.html#trules: exactly one resource matches, or the whole transaction fails."""
    resolved = {}
    for reference, by in references.items():
        try:
            service.check(by.type, "search-type")
            criteria = read_criteria(by.type, with_places(by.criteria, places), now, caller, service)
            found = (await look(criteria, store)).one
            if found is None:
                raise _unresolved()
        except FhirError as error:
            raise at_entry(error, by.index) from error
        resolved[reference] = f"{by.type}/{found.id}"
    return resolved


def _unresolved() -> FhirError:
    return precondition_failed(
        "Nothing matches the criteria of a reference", code="not-found", text="没有符合引用条件的资源"
    )
