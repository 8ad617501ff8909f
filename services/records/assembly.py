"""What a document is put together from: its Composition, all that this names, and what that names in turn.

http://hl7.org/fhir/R4/documents.html#content: what the Composition refers to itself has to be there, the rest may be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from services.fhir.compartment import patient_types
from services.fhir.definitions import resource_types
from services.fhir.outcomes import FhirError, Issue, unprocessable
from services.fhir.references import literal_references, relative
from services.fhir.scopes import READ, permissions
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.store.tables import UNSTORED

Json = dict[str, Any]

MOST: Final = 1000
_ROUNDS: Final = 5


class Named(msgspec.Struct, frozen=True):
    """A reference of the Composition, with its FHIRPath; `version` where it says one."""

    place: str
    name: str
    version: int | None = None


def named(composition: Json, base: str) -> Iterator[Named]:
    """Whatever has to be in the document; what is inside of the Composition, or known by an identifier alone, has not."""
    for place, reference in _references(composition):
        text = str(reference.get("reference", "")).removeprefix(f"{base}/")
        if text and not text.startswith("#"):
            version = text.partition("/_history/")[2]
            yield Named(place, relative(text, ""), int(version) if version.isdigit() else None)


def _references(composition: Json) -> Iterator[tuple[str, Json]]:
    for name in ("subject", "encounter", "custodian"):
        yield from _each(f"Composition.{name}", [composition.get(name)])
    yield from _each("Composition.author", composition.get("author", ()), is_list=True)
    parties = [each.get("party") for each in composition.get("attester", ())]
    yield from ((f"Composition.attester[{n}].party", party) for n, party in enumerate(parties) if party)
    for n, event in enumerate(composition.get("event", ())):
        yield from _each(f"Composition.event[{n}].detail", event.get("detail", ()), is_list=True)
    yield from _of_sections("Composition", composition)


def _of_sections(place: str, parent: Json) -> Iterator[tuple[str, Json]]:
    for n, section in enumerate(parent.get("section", ())):
        here = f"{place}.section[{n}]"
        yield from _each(f"{here}.author", section.get("author", ()), is_list=True)
        yield from _each(f"{here}.focus", [section.get("focus")])
        yield from _each(f"{here}.entry", section.get("entry", ()), is_list=True)
        yield from _of_sections(here, section)


def _each(place: str, references: Any, *, is_list: bool = False) -> Iterator[tuple[str, Json]]:
    for n, reference in enumerate(references):
        if isinstance(reference, dict):
            yield (f"{place}[{n}]" if is_list else place), reference


async def assembled(composition: Json, service: Service) -> list[Stored]:
    """Behind the Composition, in the order in which they are named; 422 that tells each one that is not there for the caller."""
    wanted = list(named(composition, service.base))
    followed = _followed(service)
    found = await service.stores.reading(lambda store: _direct(wanted, followed, store))
    if missing := [each for each in wanted if each.name not in found]:
        raise FhirError(422, tuple(_missing(each) for each in missing))
    subjects = {each.name for each in wanted if each.name.startswith("Patient/")}
    layer = [*found.values()]
    for _ in range(_ROUNDS):
        names = {n for each in layer for n in _named_by(each, service)} - found.keys()
        layer = [each for each in await _layer(names, followed, service) if _is_about(each, subjects, service)]
        found |= {f"{each.type}/{each.id}": each for each in layer}
        if len(found) > MOST:
            raise unprocessable(
                f"More than {MOST} resources would be in the document", code="too-costly", text="文档内容过多"
            )
    return [each for name, each in found.items() if name != f"Composition/{composition['id']}"]


def _followed(service: Service) -> frozenset[str]:
    allowed = permissions(service.caller.scopes)
    return frozenset(t for t in resource_types() if t not in UNSTORED and allowed.allow(t, READ))


async def _direct(wanted: Collection[Named], followed: Collection[str], store: Store) -> dict[str, Stored]:
    """In the version that is named, where one is."""
    newest = {
        f"{s.type}/{s.id}": s for s in await _read([w.name for w in wanted if w.version is None], followed, store)
    }
    found: dict[str, Stored] = {}
    for each in wanted:
        kind, _, resource_id = each.name.partition("/")
        if each.version is None and each.name in newest:
            found[each.name] = newest[each.name]
        elif each.version is not None and kind in followed:
            stored = await store.vread(kind, resource_id, each.version)
            if stored is not None and not stored.is_deleted:
                found[each.name] = stored
    return found


async def _read(names: Collection[str], followed: Collection[str], store: Store) -> list[Stored]:
    ids: dict[str, list[str]] = defaultdict(list)
    for name in sorted({*names}):
        kind, _, resource_id = name.partition("/")
        if kind in followed and resource_id:
            ids[kind].append(resource_id)
    found = [each for kind, several in ids.items() for each in await store.read_many(kind, several)]
    return sorted((each for each in found if not each.is_deleted), key=lambda each: (each.type, each.id))


async def _layer(names: Collection[str], followed: Collection[str], service: Service) -> list[Stored]:
    return await service.stores.reading(lambda store: _read(names, followed, store)) if names else []


def _named_by(stored: Stored, service: Service) -> set[str]:
    body = stored.parsed()
    return {relative(each, f"{service.base}/") for each in literal_references(body)}


def _is_about(stored: Stored, subjects: Collection[str], service: Service) -> bool:
    """What tells of another patient is no part of this one's document, nor is that patient."""
    if stored.type == "Patient":
        return f"Patient/{stored.id}" in subjects
    if stored.type not in patient_types():
        return True
    return all(n in subjects for n in _named_by(stored, service) if n.startswith("Patient/"))


def _missing(each: Named) -> Issue:
    return Issue(
        "error",
        "not-found",
        f"{each.place}: a document holds what its Composition refers to, and this is not here",
        "文档须包含其引用的资源，但该资源不存在或无权查阅",
        (each.place,),
    )
