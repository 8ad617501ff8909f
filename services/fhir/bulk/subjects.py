"""Whom an entry is about, where its sender names the person by an identifier: http://hl7.org/fhir/R4/references.html#logical

Software of a nursing home knows the numbers of its residents, not the ids of this server. `subject.identifier`, or a reference by criteria
`Patient?identifier=system|value`, becomes a reference to the one Patient within reach who has it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from services.fhir.body import with_reference
from services.fhir.bulk.recognition import numbers_in
from services.fhir.naming import canonical
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.references import conditional, literal_references, rewrite
from services.fhir.search.query import Match, SearchQuery, TokenValue
from services.fhir.store.store import Store
from services.fhir.validation import parse
from services.fhir.within_scopes import check_may_search
from services.kit.caller import Caller

Json = dict[str, Any]

ELEMENTS: Final = ("subject", "patient")
MOST: Final = 1000  # patients of one search


class Named(msgspec.Struct, frozen=True):
    """A person as an entry names one: in the `element` of that type's subject, or in the text of a `reference` by criteria."""

    who: TokenValue
    element: str = ""
    reference: str = ""


class Subjects:
    """Those of one job; a person who was found is not looked for again."""

    def __init__(self, caller: Caller, base: str) -> None:
        self._caller = caller
        self._base = base
        self._known: dict[TokenValue, tuple[str, ...]] = {}

    def named_in(self, resource: Json, body: bytes) -> tuple[Named, ...]:
        """Raise 422 where a person is named by criteria that are not an identifier."""
        found = [
            Named(TokenValue(*canonical(each["identifier"])), element=name)
            for name in ELEMENTS
            if isinstance(each := resource.get(name), dict) and _is_logical(each)
        ]
        by_criteria = _by_criteria(resource, self._base) if b"?" in body else ()
        return (*found, *(Named(who, reference=reference) for reference, who in by_criteria))

    async def find(self, people: Iterable[TokenValue], store: Store) -> None:
        """All at once, as far as the caller sees them."""
        wanted = tuple({each for each in people if not self._known.get(each)})
        if not wanted:
            return
        check_may_search(self._caller, ("Patient",))
        query = SearchQuery("Patient", (Match("identifier", "token", None, wanted),), count=MOST)
        page = await store.search(query)
        found: dict[TokenValue, list[str]] = {each: [] for each in wanted}
        for stored in page.matches:
            for each in numbers_in(stored.parsed()) & found.keys():
                found[each].append(stored.id)
        self._known |= {each: tuple(ids) for each, ids in found.items()}

    def referring(self, resource: Json, body: bytes, named: Iterable[Named]) -> tuple[Json, bytes]:
        """The entry with references to the people whom it names; raise 422 for whom nobody, or several, are."""
        for each in named:
            place = f"{resource['resourceType']}.{each.element}" if each.element else resource["resourceType"]
            target = f"Patient/{self._one(each.who, place)}"
            if each.element:
                body = with_reference(body, each.element, target)
                resource = resource | {each.element: {"reference": target} | resource[each.element]}
            else:
                body = rewrite(body, resource, {each.reference: target})
                resource = parse(body, None)
        return resource, body

    def _one(self, who: TokenValue, place: str) -> str:
        ids = self._known.get(who, ())
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise unprocessable(
                "Several patients have this identifier",
                code="multiple-matches",
                text="该标识对应多位老人",
                expression=(place,),
            )
        raise unprocessable(
            "No patient within reach has this identifier; Patient/$register is the way in",
            code="not-found",
            text="没有以该标识登记的老人，或尚未在本机构登记",
            expression=(place,),
        )


def _is_logical(reference: Json) -> bool:
    return (
        "reference" not in reference
        and reference.get("type", "Patient") == "Patient"
        and all(canonical(reference.get("identifier", {})))
    )


def _by_criteria(resource: Json, base: str) -> Iterator[tuple[str, TokenValue]]:
    for reference in dict.fromkeys(literal_references(resource)):
        found = conditional(reference, base)
        if found is None:
            continue
        kind, criteria = found
        parts = parse_qsl(criteria, keep_blank_values=True)
        system, sign, value = parts[0][1].partition("|") if len(parts) == 1 else ("", "", "")
        if kind != "Patient" or parts[0][0] != "identifier" or not (system and sign and value):
            raise _unlike(resource)
        yield reference, TokenValue(*canonical({"system": system, "value": value}))


def _unlike(resource: Json) -> FhirError:
    return unprocessable(
        "A reference by criteria is Patient?identifier=system|value here",
        code="not-supported",
        text="按条件的引用仅支持 Patient?identifier=体系|值",
        expression=(resource["resourceType"],),
    )
