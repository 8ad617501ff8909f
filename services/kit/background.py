"""Work beside the requests of a process, until its task is cancelled: https://docs.python.org/3/library/asyncio-task.html"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Unpack

from services.kit.database import DatabaseUnavailable
from services.kit.logging import Fields, log_failure
from services.kit.peers import PeerUnavailable


async def keep_at(
    work: Callable[[], Awaitable[bool | None]], pause: float, failed: str, **fields: Unpack[Fields]
) -> None:
    """Work again at once where `work` says that there was some, else after `pause` seconds.

    Nothing ends it but a cancellation: who is away is waited for, and what nobody expected is logged as `failed` and tried again.
    """
    while True:
        if not await _has_worked(work, failed, **fields):
            await asyncio.sleep(pause)


async def _has_worked(work: Callable[[], Awaitable[bool | None]], failed: str, **fields: Unpack[Fields]) -> bool:
    try:
        return bool(await work())
    except (DatabaseUnavailable, PeerUnavailable):
        return False
    except Exception as error:  # noqa: BLE001 - work that stays undone is found again
        log_failure(failed, error, **fields)
        return False
