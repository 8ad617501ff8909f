"""What the operations on plans read and write, they read and write as their caller: in its sight, and within its scopes.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Sequence
from typing import Any

from services.fhir.interactions.decide import Deciding
from services.fhir.outcomes import unprocessable
from services.fhir.scopes import READ, SEARCH
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole

Json = dict[str, Any]
Parameters = Sequence[tuple[str, str]]


class Reader:
    """`store` is the caller's."""

    def __init__(self, store: Store, service: Service) -> None:
        self._store = store
        self._context = Deciding(store, service)

    async def read(self, name: str, parameter: str, text: str) -> Stored:
        """`name` is `Type/id`; 422 at the parameter that names what the caller does not see."""
        kind, _, resource_id = name.partition("/")
        check_whole(self._context.caller, kind, READ)
        found = await self._store.read(kind, resource_id)
        if found is None or found.is_deleted:
            raise unprocessable(f"{parameter}: no such {kind}", code="not-found", text=text, expression=(parameter,))
        return found

    async def search(self, resource_type: str, parameters: Parameters) -> list[Json]:
        check_whole(self._context.caller, resource_type, READ + SEARCH)
        return [each for each, _ in await self._context.search(resource_type, parameters)]

    async def first(self, resource_type: str, parameters: Parameters, count: int) -> list[Json]:
        check_whole(self._context.caller, resource_type, READ + SEARCH)
        return [each for each, _ in await self._context.first(resource_type, parameters, count)]
