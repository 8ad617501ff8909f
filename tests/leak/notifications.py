"""What a subscription has to tell is told to its institution alone, and of it what the asker may know now: docs/adr/0030"""

from typing import TYPE_CHECKING, Any, Final

from tests.leak.listeners import Version, of
from tests.leak.model import Who
from tests.receiver import Told

if TYPE_CHECKING:
    from tests.leak.probes import Probes

Json = dict[str, Any]
OK, FORBIDDEN, NOT_FOUND = 200, 403, 404


async def status_told(probes: "Probes", who: Who) -> None:
    """Of one, and of all: another's is as good as none."""
    one = _one(probes)
    answer = await probes.call(who, "GET", f"/Subscription/{one}/$status")
    assert answer.status_code == (OK if _sees(probes, who, one) else NOT_FOUND), (who, one, answer.text)
    answer = await probes.call(who, "GET", "/Subscription/$status")
    found = {of(p["valueReference"]) for e in answer.json().get("entry", ()) for p in e["resource"]["parameter"][:1]}
    ours = {each for each in probes.world.listeners.subscribers if _sees(probes, who, each)}
    assert found & {*probes.world.listeners.subscribers} == ours, (who, found, ours)


async def events_told(probes: "Probes", who: Who) -> None:
    """Of what once got a number, the focus is told of what the asker sees by now; the rest are numbers."""
    one, content = _one(probes), probes.random.choice(("id-only", "id-only", "full-resource", "empty"))
    since, until = sorted(probes.random.choices(range(1, len(probes.world.listeners.numbered[one]) + 5), k=2))
    within = None if probes.random.random() < 0.5 else (since, until)
    await events_of(probes, who, one, content, within)


async def events_of(probes: "Probes", who: Who, one: str, content: str, within: tuple[int, int] | None) -> None:
    since, until = within or (1, 10**6)
    path = f"/Subscription/{one}/$events?eventsSinceNumber={since}&eventsUntilNumber={until}&content={content}"
    answer = await probes.call(who, "GET", path)
    if not _sees(probes, who, one):
        assert answer.status_code == NOT_FOUND, (who, one, answer.text)
        return
    events = Told({}, answer.content).events
    numbered = probes.world.listeners.numbered[one]
    assert [e["number"] for e in events] == [*range(since, min(until, len(numbered)) + 1)], (who, path)
    found = {(e["focus"], e["version"]) for e in events if "focus" in e}
    known = set() if content == "empty" else _known(probes, who, numbered)
    subscriber, _ = probes.world.listeners.subscribers[one]
    still = (
        known & _known(probes, subscriber, numbered) if within is None else set()
    )  # of what was replayed the rest is withheld for good
    assert still <= found <= known, (who, path, found - known, still - found)


async def told_again(probes: "Probes", who: Who) -> None:
    """Nobody else has it told once more, and whoever may is told what its subscriber may know now."""
    one, listeners = _one(probes), probes.world.listeners
    subscriber, _ = listeners.subscribers[one]
    numbers = {
        "resourceType": "Parameters",
        "parameter": [{"name": "eventsSinceNumber", "valueString": str(probes.random.randint(1, 20))}],
    }
    answer = await probes.call(who, "POST", f"/Subscription/{one}/$replay", numbers)
    expected = OK if _sees(probes, who, one) else NOT_FOUND
    if not probes.model.grants_whole(who, "Subscription"):
        expected = FORBIDDEN
    assert answer.status_code == expected, (who, one, answer.text)
    await listeners.tell()
    told = listeners.told(one)
    assert told <= _known(probes, subscriber, listeners.numbered[one]), (who, one, told)


PROBES: Final = ((2, status_told), (4, events_told), (2, told_again))


def _one(probes: "Probes") -> str:
    return probes.random.choice([*probes.world.listeners.subscribers])


def _sees(probes: "Probes", who: Who, subscription: str) -> bool:
    return probes.model.sees(who, probes.model.things[f"Subscription/{subscription}"])


def _known(probes: "Probes", who: Who, versions: set[Version]) -> set[Version]:
    return {(name, n) for name, n in versions if probes.model.sees_version(who, probes.model.things[name], n)}
