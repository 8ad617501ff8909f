"""The interactions that an integrator needs, on plain JSON or on models of fhir.resources: http://hl7.org/fhir/R4/http.html"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from yiyang.client.door import KEY, Door
from yiyang.client.failure import ClientError
from yiyang.client.models import Json, M, like, name_of, text_of
from yiyang.client.receipts import Receipt, receipts_of
from yiyang.client.retrying import Retry, retry_after
from yiyang.client.tokens import Credentials, Tokens

if TYPE_CHECKING:
    from fhir_core.fhirabstractmodel import FHIRAbstractModel

R = TypeVar("R", bound="FHIRAbstractModel | Json")

_JSON: Final = {"content-type": "application/fhir+json"}
_NDJSON: Final = {"content-type": "application/fhir+ndjson"}
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_TIMEOUT: Final = 120.0
_ACCEPTED: Final = 202
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_UNDER_WAY: Final = 3.0  # seconds; a second job on the same records does no harm
_STANDARD: Final = Retry()

Parameters = Mapping[str, str | Sequence[str]]


class Client:
    """One institution's software at one FHIR base; `async with` closes its connections.

    Each method raises ClientError for what the server refuses, or does not answer in all attempts that `retry` allows.
    """

    def __init__(
        self,
        base: str,
        credentials: Credentials,
        *,
        retry: Retry = _STANDARD,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.base = base.rstrip("/")
        self._http = http or httpx.AsyncClient(timeout=_TIMEOUT)
        self._door = Door(self._http, self.base, Tokens(self._http, self.base, credentials), retry)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @overload
    async def read(self, resource_type: type[M], resource_id: str) -> M: ...
    @overload
    async def read(self, resource_type: str, resource_id: str) -> Json: ...
    async def read(self, resource_type: type[M] | str, resource_id: str) -> M | Json:
        """http://hl7.org/fhir/R4/http.html#read"""
        answer = await self._door.ask("GET", f"{_name(resource_type)}/{resource_id}")
        found: M | Json = _as(resource_type, answer.json())
        return found

    async def create(self, resource: R, *, unless: str = "", key: str = "") -> R:
        """As stored. Where the answer was lost it is made again under the same Idempotency-Key, so there is one.

        `unless` are criteria of a conditional create: what matches them is given instead (http://hl7.org/fhir/R4/http.html#ccreate).
        """
        headers = {**_JSON, KEY: key or uuid4().hex, **({"if-none-exist": unless} if unless else {})}
        answer = await self._door.ask("POST", name_of(resource), text_of(resource), headers)
        made: R = like(resource, answer.json())
        return made

    async def update(self, resource: R, *, version: str = "") -> R:
        """The next version of a resource that has an id; `version` is the one that it was made of, else whatever is there is replaced."""
        body = text_of(resource)
        place = f"{name_of(resource)}/{_id(resource)}"
        answer = await self._door.ask(
            "PUT", place, body, {**_JSON, **({"if-match": f'W/"{version}"'} if version else {})}
        )
        made: R = like(resource, answer.json())
        return made

    @overload
    def search(self, resource_type: type[M], parameters: Parameters | None = None) -> AsyncIterator[M]: ...
    @overload
    def search(self, resource_type: str, parameters: Parameters | None = None) -> AsyncIterator[Json]: ...
    async def search(
        self, resource_type: type[M] | str, parameters: Parameters | None = None
    ) -> AsyncIterator[M | Json]:
        """Every match, page after page; by POST, for a number of a person must not stand in a URL."""
        form = urlencode({"_count": "200", **(parameters or {})}, doseq=True).encode()
        answer = await self._door.ask("POST", f"{_name(resource_type)}/_search", form, _FORM)
        while True:
            page = answer.json()
            for entry in page.get("entry", ()):
                if entry.get("search", {}).get("mode") == "match":
                    yield _as(resource_type, entry["resource"])
            following = next((each["url"] for each in page.get("link", ()) if each["relation"] == "next"), None)
            if following is None:
                return
            answer = await self._door.ask("GET", following)

    async def count(self, resource_type: "type[FHIRAbstractModel] | str", parameters: Parameters | None = None) -> int:
        """How many match."""
        form = urlencode({**(parameters or {}), "_summary": "count"}, doseq=True).encode()
        answer = await self._door.ask("POST", f"{_name(resource_type)}/_search", form, _FORM)
        return int(answer.json()["total"])

    async def transaction(self, bundle: Json, *, key: str = "", minimal: bool = False) -> Json:
        """All entries or none: http://hl7.org/fhir/R4/http.html#transaction; `minimal` leaves what was stored out of the answer."""
        prefer = {"prefer": "return=minimal"} if minimal else {}
        answer = await self._door.ask("POST", "", text_of(bundle), {**_JSON, **prefer, KEY: key or uuid4().hex})
        done: Json = answer.json()
        return done

    async def invoke(self, operation: str, given: "FHIRAbstractModel | Json", *, key: str = "") -> Json:
        """`operation` is its place below the base, such as `ServiceRequest/$refer` or `Task/1/$accept`: http://hl7.org/fhir/R4/operations.html"""
        answer = await self._door.ask("POST", operation, text_of(given), {**_JSON, KEY: key or uuid4().hex})
        said: Json = answer.json()
        return said

    async def ingest(self, records: "Iterable[FHIRAbstractModel | Json | bytes]", *, key: str = "") -> list[Receipt]:
        """A receipt for each record, in the order given; records as `bytes` are JSON on one line. Whatever happens, each is stored once.

        Under the same `key` the same records find the work on them again that is under way or done.
        """
        body = b"\n".join(each if isinstance(each, bytes) else text_of(each) for each in records)
        try:
            return await self._ingest(body, key or uuid4().hex)
        except ClientError as error:
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise
            # The receipt is kept no longer, or who began is dead: asked anew, by the numbers of the records.
            return await self._ingest(body, uuid4().hex)

    async def _ingest(self, body: bytes, key: str) -> list[Receipt]:
        answer, place = await self._door.ask("POST", "Bundle/$ingest", body, {**_NDJSON, KEY: key}, _UNDER_WAY), ""
        while answer.status_code == _ACCEPTED:
            place = answer.headers.get("content-location", place)
            await asyncio.sleep(retry_after(answer) or 0)
            answer = await self._door.ask("GET", place)
        return receipts_of(answer.json())


def _name(resource_type: "type[FHIRAbstractModel] | str") -> str:
    return resource_type if isinstance(resource_type, str) else name_of(resource_type)


def _as(resource_type: type[M] | str, body: Json) -> Any:
    return body if isinstance(resource_type, str) else resource_type.model_validate(body)


def _id(resource: Any) -> str:
    return str(resource["id"] if isinstance(resource, dict) else resource.id)
