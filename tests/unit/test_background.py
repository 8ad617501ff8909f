"""Work beside the requests goes on whatever happens to it."""

import asyncio

import pytest

from services.kit.background import keep_at
from services.kit.database import DatabaseUnavailable


async def test_nothing_but_a_cancellation_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    happens = iter([True, DatabaseUnavailable(), KeyError("x"), None, True])
    done = asyncio.Event()

    async def work() -> bool | None:
        match next(happens, done):
            case asyncio.Event():
                done.set()
                return None
            case Exception() as error:
                raise error
            case worked:
                return worked

    task = asyncio.create_task(keep_at(work, 0, "work.failed"))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.getMessage() for record in caplog.records] == ["work.failed"]
