"""What a slip is filled in from, as far as its reader may read it now: http://hl7.org/fhir/R4/task.html

The Task and its order, the package of documents, and who they name. A package that is out of reach makes the whole slip so: one
without it would say of an elder that nothing is known.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from services.fhir.access.grants import name_in
from services.fhir.elements import reference_in
from services.fhir.interactions.answers import unknown
from services.fhir.outcomes import unprocessable
from services.fhir.pages.document import Document
from services.fhir.request import FhirRequest
from services.fhir.scopes import READ, Permissions, permissions
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole
from services.referral.codes import direction_of, is_referral, outputs
from services.referral.facts import subject_of

Json = dict[str, Any]

MAX_NAMED: Final = 20
DIRECTORY: Final = frozenset({"Organization", "Practitioner", "PractitionerRole"})


class Papers(msgspec.Struct, frozen=True):
    """`named` holds what was found of the resources that the others refer to, by `Type/id`; `answer` is the 回转单, once it has come back."""

    task: Json
    order: Json
    package: tuple[Document, ...]
    named: dict[str, Json]
    answer: Document | None = None

    def find(self, reference: Any) -> Json:
        """Of the package, as it was sent, else as it stands now; empty where there is none.

        Who an institution or a physician is, the directory says: a copy in the package could claim another name.
        """
        name = name_in(reference) or ""
        if name.partition("/")[0] in DIRECTORY and name in self.named:
            return self.named[name]
        for document in reversed(self.package):
            if found := document.resolve(reference):
                return found
        return self.named.get(name, {})

    @property
    def note(self) -> Json:
        return next((d.composition for d in reversed(self.package) if d.composition), {})


async def papers(task: Json, request: FhirRequest, service: Service) -> Papers:
    """404 where the caller may not read the order or the package, 403 where its scopes do not reach."""
    if not is_referral(task):
        raise unprocessable("Only a referral has a slip", text="仅转诊任务有转诊单", expression=("Task.code",))
    allowed = permissions(request.caller.scopes)
    for resource_type in ("ServiceRequest", "Bundle"):
        check_whole(request.caller, resource_type, READ)
    order = await _needed(task.get("focus"), service)
    bundles = [await _needed(each, service) for each in _package(task, order)]
    package = tuple(Document(bundle, service.zone) for bundle in bundles)
    made = Papers(task, order, package, {}, await _answer(task, order, allowed, service))
    names = [n for r in _people(made) if (n := name_in(r)) and allowed.allow(n.partition("/")[0], READ)]
    found = await asyncio.gather(*(_read(name, service) for name in [*dict.fromkeys(names)][:MAX_NAMED]))
    return msgspec.structs.replace(made, named={f"{r['resourceType']}/{r['id']}": r for r in found if r})


async def _answer(task: Json, order: Json, allowed: Permissions, service: Service) -> Document | None:
    """What came back for a referral up, with what its sections name; nothing where the reader may not know of it."""
    found = outputs(task, "feedback")[-1:] if direction_of(order) != "down" else []
    name = name_in(found[0]) if found else None
    if not name or not name.startswith("Composition/") or not allowed.allow("Composition", READ):
        return None
    note = await _read(name, service)
    if note is None:
        return None
    entries = [name_in(each) for section in note.get("section", ()) for each in section.get("entry", ())]
    names = [n for n in dict.fromkeys(entries) if n and allowed.allow(n.partition("/")[0], READ)][:MAX_NAMED]
    read = await asyncio.gather(*(_read(each, service) for each in names))
    own = reference_in(task.get("for"))
    resources = [{"resource": each} for each in (note, *filter(None, read)) if subject_of(each) in ("", own)]
    return Document({"resourceType": "Bundle", "type": "document", "entry": resources}, service.zone)


async def _needed(reference: Any, service: Service) -> Json:
    name = name_in(reference)
    found = await _read(name, service) if name else None
    if found is None:
        raise unknown("Task")
    return found


async def _read(name: str, service: Service) -> Json | None:
    stored = await service.stores.read(*name.split("/", 1))
    return None if stored is None or stored.is_deleted else stored.parsed()


def _package(task: Json, order: Json) -> list[Json]:
    """The documents in the order in which they were sent; what was added later stands last."""
    given = [each.get("valueReference") for each in task.get("input", ())]
    bundles = {
        n: r for r in (*order.get("supportingInfo", ()), *given) if (n := name_in(r)) and n.startswith("Bundle/")
    }
    return list(bundles.values())


def _people(papers: Papers) -> Iterator[Any]:
    task, order, note = papers.task, papers.order, papers.note
    yield from (
        task.get("requester"),
        task.get("owner"),
        order.get("requester"),
        task.get("for"),
        order.get("encounter"),
    )
    yield from order.get("performer", ())
    yield from (each.get("party") for each in note.get("attester", ()))
    yield from note.get("author", ())
    yield from papers.answer.composition.get("author", ()) if papers.answer else ()
    yield from (*outputs(task, "department"), *outputs(task, "physician"))
