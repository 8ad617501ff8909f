"""What one message is to write, gathered entry by entry into a transaction: http://hl7.org/fhir/R4/http.html#transaction"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from services.fhir.request import FhirRequest
from services.fhir.search.parse import parse_search
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.within_scopes import check_may_search
from services.records.v2.datatypes import Here
from services.records.v2.faults import DUPLICATE_KEY, Fault, NotTakenError, Place
from services.records.v2.fill import Filled, Near, fill
from services.records.v2.mapping import Event
from services.records.v2.message import Message, Segment

Json = dict[str, Any]
Known = tuple[Json, int]  # body and version

_CANDIDATES: Final = 10
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Work:
    """`places` are the fields that elements were read from, by the number of their entry."""

    def __init__(self, message: Message, event: Event, here: Here, request: FhirRequest, service: Service) -> None:
        self.message = message
        self.event = event
        self.here = here
        self.request = request
        self.service = service
        self.entries: list[Json] = []
        self.places: list[dict[str, Place]] = []
        self.warnings: list[Fault] = []
        self.merging: tuple[str, str] | None = None

    # ---- reading the message ----------------------------------------------------------------------------------------

    def filled(self, segment: str, group: list[Segment] | None = None) -> Filled:
        place = next((s.place() for s in group or () if s.name == segment), None)
        return fill(segment, Near(self.message, group or ()), self.here, place)

    # ---- reading what is there ------------------------------------------------------------------------------------

    async def found(self, resource_type: str, *criteria: tuple[str, str]) -> list[Known]:
        """What the sender sees."""
        check_may_search(self.request.caller, (resource_type,))
        query = parse_search(
            resource_type,
            criteria,
            now=self.request.at,
            strict=True,
            base=self.service.base,
            zone=self.service.zone,
        )
        asked = msgspec.structs.replace(query, count=_CANDIDATES)
        page = await self.service.stores.reading(lambda store: store.search(asked))
        return [(each.parsed(), each.version) for each in page.matches]

    async def there(self, resource_type: str, resource_id: str, patient: str, place: Place) -> Known | None:
        """What the sender has numbered before; NotTakenError where that was about somebody else."""
        stored = await self.service.stores.read(resource_type, resource_id)
        return _theirs((stored,) if stored else (), patient, place).get(resource_id)

    async def all_there(self, resource_type: str, ids: Sequence[str], patient: str, place: Place) -> dict[str, Known]:
        """The same of several, by their ids."""
        stored = await self.service.stores.reading(lambda store: store.read_many(resource_type, ids)) if ids else []
        return _theirs(stored, patient, place)

    # ---- what is to be written --------------------------------------------------------------------------------------

    def create(self, resource: Json, places: dict[str, Place]) -> str:
        """Under an id of the server's."""
        return self._add({"method": "POST", "url": resource["resourceType"]}, resource, places)

    def put(self, resource: Json, places: dict[str, Place], **conditions: str) -> str:
        name = f"{resource['resourceType']}/{resource['id']}"
        self._add({"method": "PUT", "url": name, **conditions}, resource, places)
        return name

    def replace(self, known: Known | None, resource: Json, places: dict[str, Place]) -> str:
        """Only what it was planned on: where another message came before, it is planned again."""
        condition = {"ifNoneMatch": "*"} if known is None else {"ifMatch": f'W/"{known[1]}"'}
        return self.put(resource, places, **condition)

    def _add(self, request: Json, resource: Json, places: dict[str, Place]) -> str:
        full_url = uuid4().urn
        self.entries.append({"fullUrl": full_url, "resource": resource, "request": request})
        self.places.append(places)
        return full_url

    def bundle(self) -> bytes:
        return _encode({"resourceType": "Bundle", "type": "transaction", "entry": self.entries})

    # ---- names --------------------------------------------------------------------------------------------------------

    def own_id(self, *about: str) -> str:
        """The id of what the sender numbers: the same from the same message, so nothing is written twice."""
        said = "\0".join((self.here.organization, *about))
        return f"v2-{hashlib.sha256(said.encode()).hexdigest()[:40]}"

    def warn(self, place: Place, code: str, diagnostics: str, text: str) -> None:
        self.warnings.append(Fault(place, code, f"{place}: {diagnostics}", f"{place}：{text}", "W"))


def _theirs(stored: Iterable[Stored], patient: str, place: Place) -> dict[str, Known]:
    found = {each.id: (each.parsed(), each.version) for each in stored if not each.is_deleted}
    if any(body.get("subject") != {"reference": patient} for body, _ in found.values()):
        raise NotTakenError("AE", _anothers(place))
    return found


def _anothers(place: Place) -> Fault:
    return Fault(
        place, DUPLICATE_KEY, f"{place}: this number was used for another patient", f"{place}：该编号已用于另一患者"
    )
