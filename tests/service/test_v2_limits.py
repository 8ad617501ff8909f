"""Who may send messages at all, how many at once, and how long they are kept: docs/v2.md"""

from datetime import timedelta

import asyncpg
import pytest

from services.fhir.sweeper import Sweeper
from services.kit.clock import LeapingClock
from services.kit.database import Database
from services.records.v2.batch import MOST_MESSAGES
from tests.bulk import database
from tests.house import Fhir
from tests.matchers import assert_outcome
from tests.v2 import MEDIA, adt, all_told, control, elder, posted, send

__all__ = ["database"]


async def kept(url: str, *numbers: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM fhir.v2_message WHERE control = ANY($1)", [*numbers]
        )
        return found
    finally:
        await connection.close()


@pytest.mark.parametrize("scope", ["system/*.rs", "system/Patient.s", "system/*.d"])
async def test_a_token_that_can_write_nothing_leaves_no_message_behind(
    fhir: Fhir, database_url: str, scope: str
) -> None:
    content = adt("A04", elder(), number=(number := control()))
    answer = await fhir.as_(scopes=(scope,)).post("/$process-v2", content, content_type=MEDIA)
    assert_outcome(answer, 403, "forbidden")
    assert await kept(database_url, number) == 0


async def test_a_batch_of_too_many_messages_is_refused_as_a_whole(fhir: Fhir, database_url: str) -> None:
    one, number = elder(), control()
    most = b"BHS|^~\\&|HIS\r" + adt("A04", one, number=number) * MOST_MESSAGES
    answer = await fhir.post("/$process-v2", most + adt("A04", one), content_type=MEDIA)
    assert_outcome(answer, 413, "too-long")
    assert str(MOST_MESSAGES) in answer.text
    assert await kept(database_url, number) == 0
    assert len(all_told(await posted(fhir, most))) == MOST_MESSAGES


async def test_messages_are_forgotten_after_their_time_whether_they_were_taken_or_not(
    fhir: Fhir, database: Database, database_url: str
) -> None:
    taken, refused = control(), control()
    assert (await send(fhir, adt("A04", elder(), number=taken))).code == "AA"
    assert (await send(fhir, adt("A99", elder(), number=refused))).code == "AR"
    clock = LeapingClock()
    sweeper = Sweeper(database, clock, timedelta(days=7), timedelta(days=180))
    clock.leap(timedelta(days=179))
    await sweeper.sweep()
    assert await kept(database_url, taken, refused) == 2
    clock.leap(timedelta(days=2))
    await Sweeper(database, clock, timedelta(days=7)).sweep()
    assert await kept(database_url, taken, refused) == 2, "only records sweeps them"
    await sweeper.sweep()
    assert await kept(database_url, taken, refused) == 0
