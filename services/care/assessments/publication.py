"""Keeps the Questionnaires of the instruments in the store as the files say them: http://hl7.org/fhir/R4/questionnaire.html

They are ordinary resources, found and read like any other, which only the platform writes (reserved.py). An instrument that changed
makes another version of its Questionnaire; one that is the same makes none.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import jiter
import msgspec

from services.care.assessments.grading import Instruments
from services.care.assessments.questionnaire import questionnaire
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

    def __init__(self, service: Service, instruments: Instruments) -> None:
        self._service = service.as_platform()
        self._questionnaires = [questionnaire(each) for each in instruments.values()]

    async def forever(self) -> None:
        while True:
            try:
                await self.publish()
            except DatabaseUnavailable:
                pass
            except FhirError:  # another process published meanwhile
                pass
            except Exception as error:  # noqa: BLE001 - what is asked of the service goes on without it
                log_failure("questionnaires.unpublished", error)
            else:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def publish(self) -> int:
        """How many were written."""
        ids = [each["id"] for each in self._questionnaires]
        stored = await self._service.stores.reading(lambda store: store.read_many("Questionnaire", ids))
        intents = dict(enumerate(self._wanted({each.id: each for each in stored})))
        if intents:
            await write_all(intents, self._service, _nothing_more)
            log("questionnaires.published", count=len(intents))
        return len(intents)

    def _wanted(self, stored: dict[str, Stored]) -> Iterator[Intent]:
        for each in self._questionnaires:
            there = stored.get(each["id"])
            if there is None or there.body is None:
                body = msgspec.json.encode(each)
                yield Intent("PUT", "Questionnaire", each["id"], body, if_none_match="*", by_platform=True)
            elif _said(there.body) != each:
                yield msgspec.structs.replace(changed(each, there.version), by_platform=True)


def _said(body: str) -> Json:
    resource: Json = jiter.from_json(body.encode())
    return {name: value for name, value in resource.items() if name != "meta"}


def _nothing_more(_store: Store, _written: Written) -> None:
    """No person is in it: nothing to remember of who looked."""
