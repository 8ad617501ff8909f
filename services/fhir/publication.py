"""Keeps in the store what a service publishes, as its files say it: http://hl7.org/fhir/R4/conformance-module.html

They are ordinary resources, found and read like any other, which only the platform writes (`Reserved`). What changed makes another version; what is the same makes none.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final

import jiter
import msgspec

from services.fhir.interactions.commit import Written, write_all
from services.fhir.interactions.intent import Intent, changed
from services.fhir.outcomes import FhirError
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.kit.database import DatabaseUnavailable
from services.kit.logging import log, log_failure

Json = dict[str, Any]

PAUSE_SECONDS: Final = 5.0


class Publisher:
    """Works once, when its service starts; as often as it takes."""

    def __init__(self, service: Service, resource_type: str, resources: Iterable[Json]) -> None:
        self._service = service.as_platform()
        self._type = resource_type
        self._resources = [*resources]

    async def forever(self) -> None:
        while True:
            try:
                await self.publish()
            except DatabaseUnavailable:
                pass
            except FhirError:  # another process published meanwhile
                pass
            except Exception as error:  # noqa: BLE001 - what is asked of the service goes on without it
                log_failure("publication.failed", error, type=self._type)
            else:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def publish(self) -> int:
        """How many were written."""
        ids = [each["id"] for each in self._resources]
        stored = await self._service.stores.reading(lambda store: store.read_many(self._type, ids))
        intents = dict(enumerate(self._wanted({each.id: each for each in stored})))
        if intents:
            await write_all(intents, self._service, _nothing_more)
            log("publication.done", type=self._type, count=len(intents))
        return len(intents)

    def _wanted(self, stored: dict[str, Stored]) -> Iterator[Intent]:
        for each in self._resources:
            there = stored.get(each["id"])
            if there is None or there.body is None:
                body = msgspec.json.encode(each)
                yield Intent("PUT", self._type, each["id"], body, if_none_match="*", by_platform=True)
            elif _said(there.body) != each:
                yield msgspec.structs.replace(changed(each, there.version), by_platform=True)


def _said(body: str) -> Json:
    resource: Json = jiter.from_json(body.encode())
    return {name: value for name, value in resource.items() if name != "meta"}


def _nothing_more(_store: Store, _written: Written) -> None:
    """No person is in it: nothing to remember of who looked."""
