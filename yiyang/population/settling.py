"""The county comes into a running server: its institutions, its elders, and what has become of its referrals: docs/operations.md"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from yiyang.population.county import County
from yiyang.population.files import directory, of_elder
from yiyang.population.loading import AT_ONCE, Loader
from yiyang.population.records import Kept, kept
from yiyang.population.referrals import Referring, stage_of, without_request
from yiyang.progress import Progress
from yiyang.story.elements import Json

SAYS: Final = "写入 · loading"
Clock = Callable[[], float]


async def settle(
    loader: Loader, county: County, now: datetime, within: float = float("inf"), clock: Clock = time.monotonic
) -> int:
    """How many elders came in: those that are not there, or as many of them as do `within` so many seconds."""
    until, came = clock() + within, list[Kept]()
    begin = await _first_missing(loader, county, now)
    if begin == county.elders:
        return 0
    await loader.send_all(directory(county), lambda _: None)
    progress = Progress(county.elders - begin, SAYS)
    await loader.send_all(
        _elders(range(begin, county.elders), county, now, came, lambda: clock() < until),
        lambda n: progress.advance(1, n),
    )
    await _refer(loader, county, now, came)
    return len(came)


async def _first_missing(loader: Loader, county: County, now: datetime) -> int:
    """They come in the order of their numbers, a few at a time."""
    low, high = 0, county.elders
    while low < high:
        middle = (low + high) // 2 if high < county.elders else county.elders - 1
        one = kept(middle, county, now)
        if await loader.has(one.institution.id, one.resources[0]["id"]):
            low = middle + 1
        else:
            high = middle
    return low if low == county.elders else max(0, low - AT_ONCE)


def _elders(
    numbers: Iterable[int], county: County, now: datetime, came: list[Kept], goes_on: Callable[[], bool]
) -> Iterator[tuple[str, Json]]:
    for number in numbers:
        if not goes_on():
            return
        one = kept(number, county, now)
        came.append(one)
        is_moving = stage_of(one, county) not in ("", "draft")
        yield one.institution.id, of_elder(without_request(one) if is_moving else one.resources)


async def _refer(loader: Loader, county: County, now: datetime, came: list[Kept]) -> None:
    referring = Referring(loader, county, now)
    moving = [(one, stage) for one in came if (stage := stage_of(one, county)) not in ("", "draft")]
    if moving:
        await referring.agree()
    for one, stage in moving:
        await referring.carry(one, stage)
