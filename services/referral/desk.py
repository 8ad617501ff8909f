"""What one decision reads: the versions of this commit first, then what is there, each once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.fhir.business import Change, Context
from services.fhir.elements import reference_in
from services.referral.codes import TASK_CODE, is_referral

Json = dict[str, Any]


class Desk:
    """The changes of a commit, the bodies beside them, and what else is looked up for them."""

    def __init__(self, changes: Sequence[Change], others: Mapping[str, Json], context: Context) -> None:
        self.context = context
        self.changes = changes
        self._pending = {f"{c.type}/{c.id}": c.after for c in changes}
        self._others = others
        self._read: dict[str, tuple[Json, int] | None] = {}
        self._holders: dict[str, str | None] = {}
        self._siblings: dict[tuple[str, str], list[tuple[Json, int]]] = {}

    def is_pending(self, name: str) -> bool:
        """Is it written by this very commit?"""
        return name in self._pending or name in self._others

    def is_new(self, name: str) -> bool:
        return any(c.before is None and f"{c.type}/{c.id}" == name for c in self.changes)

    async def resource(self, name: str) -> Json | None:
        """As it will be after this commit."""
        if name in self._pending:
            return self._pending[name]
        if name in self._others:
            return self._others[name]
        found = await self.there(name)
        return found[0] if found else None

    async def there(self, name: str) -> tuple[Json, int] | None:
        """What is there now, with its version."""
        if name not in self._read:
            kind, _, resource_id = name.partition("/")
            self._read[name] = await self.context.read(kind, resource_id) if resource_id else None
        return self._read[name]

    async def look_ahead(self, names: Iterable[str]) -> None:
        """Read together what will be asked for; the patient the guards know by name."""
        wanted = {name for name in names if name and not name.startswith("Patient/") and not self.is_pending(name)}
        if unknown := sorted(wanted - self._read.keys()):
            await self.context.fetch(unknown)

    async def resources(self, names: Sequence[str]) -> dict[str, Json]:
        found = {name: await self.resource(name) for name in dict.fromkeys(names) if name}
        return {name: each for name, each in found.items() if each is not None}

    async def search(self, resource_type: str, *parameters: tuple[str, str]) -> list[tuple[Json, int]]:
        return await self.context.search(resource_type, parameters)

    async def holder(self, key: str) -> str | None:
        """Who holds a place of the key now."""
        await self.look_for_holders(key)
        return self._holders[key]

    async def look_for_holders(self, *keys: str) -> None:
        """The same of several, looked up together."""
        if unknown := [key for key in keys if key not in self._holders]:
            found = await self.context.holders(unknown)
            self._holders |= {key: found.get(key) for key in unknown}

    async def siblings(self, request: str, but: str) -> list[tuple[Json, int]]:
        """The other referral Tasks of a request, as they will be; version 0 of one that this commit writes itself."""
        if (request, but) not in self._siblings:
            self._siblings[request, but] = await self._found_siblings(request, but)
        return self._siblings[request, but]

    async def _found_siblings(self, request: str, but: str) -> list[tuple[Json, int]]:
        pending = [
            (c.after, 0)
            for c in self.changes
            if c.type == "Task" and c.after and c.id != but and reference_in(c.after.get("focus")) == request
        ]
        found: list[tuple[Json, int]] = []
        if not self.is_new(request):
            found = await self.search("Task", ("focus", request), ("code", f"{TASK_CODE}|referral"))
        kept = [(task, version) for task, version in found if f"Task/{task['id']}" not in self._pending]
        others = [(task, version) for task, version in kept if task["id"] != but]
        return [(task, version) for task, version in (*others, *pending) if is_referral(task)]
