"""What a resource was and no longer is, or is and was not, for callers whose scopes tell the two apart: docs/adr/0049"""

from typing import TYPE_CHECKING, Any, Final

from tests.leak.limits import LIMITS
from tests.leak.listeners import versions_of
from tests.leak.model import Thing, Who
from tests.leak.notifications import events_of

if TYPE_CHECKING:
    from tests.leak.probes import Probes

Json = dict[str, Any]
OK, NOT_FOUND = 200, 404


async def by_version(probes: "Probes", _: Who) -> None:
    for who, thing in _apart(probes):
        for number in range(1, versions_of(thing) + 1):
            answer = await probes.call(who, "GET", f"/{thing.name}/_history/{number}")
            expected = OK if probes.model.sees_version(who, thing, number) else NOT_FOUND
            if number <= len(thing.past) + 1:
                assert answer.status_code == expected, (who, thing, number, answer.text)


async def by_history(probes: "Probes", _: Who) -> None:
    for who, thing in _apart(probes):
        found = await probes.pages(who, f"/{thing.type}/_history?_count=20")
        versions = {int(e["response"]["etag"][3:-1]) for e in found if e["request"]["url"].endswith(thing.body["id"])}
        versions |= {int(e["resource"]["meta"]["versionId"]) for e in found if _is_of(e, thing)}
        numbers = range(1, versions_of(thing) + 1)
        expected = {n for n in numbers if probes.model.sees_version(who, thing, n)}
        assert versions == expected, (who, thing, versions)


async def by_events(probes: "Probes", _: Who) -> None:
    for who, _thing in _apart(probes):
        for one, (subscriber, _types) in probes.world.listeners.subscribers.items():
            if subscriber.organization == who.organization:
                await events_of(probes, who, one, "id-only", None)


PROBES: Final = ((1, by_version), (1, by_history), (1, by_events))


def _is_of(entry: Json, thing: Thing) -> bool:
    return bool(entry.get("resource", {}).get("id") == thing.body["id"])


def _apart(probes: "Probes") -> list[tuple[Who, Thing]]:
    """One who wrote a resource, and whose scopes grant some versions of it and others not."""
    found = []
    for name, limit in LIMITS.items():
        for thing in probes.model.things.values():
            test = limit.of(thing.type)
            if test is not None and "/" not in thing.author and len({test(b) for b in (*thing.past, thing.body)}) > 1:
                found.append((Who(thing.author, "TREAT", name), thing))
    return probes.random.sample(found, min(1, len(found)))
