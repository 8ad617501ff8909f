"""A process that does what is due in a governed house until it is killed: `python -m tests.clockworks DATABASE_URL` (docs/adr/0027)."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from services.fhir.business import Change, Context, Decision, Intent, Timer, changed, created
from services.fhir.clockwork import is_clock
from tests.builders import task
from tests.governed import Rule, governed_house

Json = dict[str, Any]

HOUR: Final = timedelta(hours=1)
ELDER: Final = "Patient/of-the-clock"


def waiting() -> Json:
    return task() | {"for": {"reference": ELDER}}


def within(time: timedelta) -> Any:
    """A business: what is requested has that long; whatever else it becomes, it has no timer. What the clock does is told by a Provenance."""

    async def decide(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        timers: dict[str, tuple[Timer, ...]] = {}
        for each in changes:
            waits = each.after is not None and each.after["status"] == "requested"
            timers[f"{each.type}/{each.id}"] = (Timer("expire", context.at + time),) if waits else ()
        by_clock = is_clock(context.caller)
        return Decision(timers=timers, also=tuple(_told(each) for each in changes) if by_clock else ())

    return decide


def _told(change: Change) -> Intent:
    agent = {"who": {"display": "平台时钟"}}
    target = [{"reference": f"{change.type}/{change.id}"}, {"reference": ELDER}]
    return created(
        {"resourceType": "Provenance", "target": target, "recorded": "2026-05-01T08:00:00Z", "agent": [agent]}
    )


async def expire(holder: str, _act: str, context: Context) -> Sequence[Intent]:
    kind, _, resource_id = holder.partition("/")
    found = await context.read(kind, resource_id)
    if found is None or found[0]["status"] != "requested":
        return ()
    return (changed(found[0] | {"status": "cancelled"}, found[1]),)


async def _announced(holder: str, act: str, context: Context) -> Sequence[Intent]:
    sys.stdout.write(f"{holder}\n")
    sys.stdout.flush()
    await asyncio.sleep(0.02)
    return await expire(holder, act, context)


async def main(database_url: str) -> None:
    rule = Rule()
    rule.decide, rule.on_timer = within(HOUR), _announced
    async with governed_house(database_url, rule) as house:
        await house.clockwork.forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
