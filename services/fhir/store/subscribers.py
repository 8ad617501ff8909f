"""Subscriptions as the notifier sees them: for whom, in which state, and which process sends (docs/adr/0030).

Who sends for a subscription holds its lease; whoever adds work raises `turn`, and the lease is given back only at the turn that was seen, so no
work is left lying. Every statement names the shard.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from services.fhir.store.rows import Write
from services.kit.caller import Caller

State = Literal["new", "handshake", "live", "off"]

_COLUMNS: Final = "id, shard, caller, version, state, activated, events, turn, failures"
_FREE: Final = "due <= statement_timestamp() AND (lease IS NULL OR lease < statement_timestamp())"


class Subscriber(msgspec.Struct, frozen=True):
    """`state` is `new` until the outbox has told of it; `activated` from the first handshake that succeeded until it is off."""

    id: str
    shard: int
    caller: Caller
    version: int
    state: State
    activated: bool
    events: int
    turn: int
    failures: int


async def write(connection: Any, writes: Sequence[Write]) -> None:
    """In the commit of a Subscription: for whom it is from now on."""
    sql = """INSERT INTO fhir.subscriber (id, shard, caller, version, state, activated, events, turn, failures)
    VALUES ($1, $2, $3, 0, 'new', false, 0, 0, 0) ON CONFLICT (id, shard) DO UPDATE SET caller = excluded.caller"""
    for w in writes:
        if w.subscriber is not None:
            await connection.execute(sql, w.id, w.shard, msgspec.json.encode(w.subscriber).decode())


async def find(connection: Any, ids: Sequence[str]) -> dict[str, Subscriber]:
    records = await connection.fetch(f"SELECT {_COLUMNS} FROM fhir.subscriber WHERE id = ANY($1::text[])", list(ids))
    return {record["id"]: _subscriber(record) for record in records}


async def activated(connection: Any) -> list[Subscriber]:
    """Those for whom events are numbered."""
    return [_subscriber(r) for r in await connection.fetch(f"SELECT {_COLUMNS} FROM fhir.subscriber WHERE activated")]


async def disabled(connection: Any, clients: Sequence[str]) -> set[str]:
    """Those of the clients that the gateway's registry has disabled."""
    if not clients:
        return set()
    sql = "SELECT client_id FROM gateway.client WHERE is_disabled AND client_id = ANY($1::text[])"
    return {record["client_id"] for record in await connection.fetch(sql, list(set(clients)))}


async def tell(connection: Any, told: Subscriber, *, anew: bool) -> None:
    """What the outbox says of a Subscription: `state`, `version` and `activated`. What begins `anew` is due at once, of what is off nothing."""
    sql = """UPDATE fhir.subscriber SET state = $3, version = $4, activated = $5, turn = turn + 1,
      due = CASE WHEN $3 = 'off' THEN NULL WHEN $6 THEN clock_timestamp() ELSE due END,
      gate = CASE WHEN $6 THEN NULL ELSE gate END, failures = CASE WHEN $6 THEN 0 ELSE failures END,
      failing = CASE WHEN $6 THEN NULL ELSE failing END
    WHERE id = $1 AND shard = $2"""
    await connection.execute(sql, told.id, told.shard, told.state, told.version, told.activated, anew)


# ---- who sends ------------------------------------------------------------------------------------------------------------


async def due(connection: Any, most: int) -> list[tuple[str, int]]:
    """Id and shard of those who wait for somebody to send, the longest first."""
    sql = f"SELECT id, shard FROM fhir.subscriber WHERE {_FREE} ORDER BY due LIMIT $1"
    return [(record["id"], record["shard"]) for record in await connection.fetch(sql, most)]


async def claim(connection: Any, who: tuple[str, int], worker: str, lease: timedelta) -> Subscriber | None:
    """Take the lease; None where another one was quicker."""
    sql = f"""UPDATE fhir.subscriber SET worker = $3, lease = clock_timestamp() + $4::interval
    WHERE id = $1 AND shard = $2 AND id IN (
      SELECT id FROM fhir.subscriber WHERE id = $1 AND shard = $2 AND {_FREE} FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}"""
    record = await connection.fetchrow(sql, *who, worker, lease)
    return _subscriber(record) if record else None


async def renew(connection: Any, who: Subscriber, worker: str, lease: timedelta) -> Subscriber | None:
    """The lease for another while, and what has changed; None where it was lost."""
    sql = f"""UPDATE fhir.subscriber SET lease = clock_timestamp() + $4::interval WHERE id = $1 AND shard = $2 AND worker = $3
    RETURNING {_COLUMNS}"""
    record = await connection.fetchrow(sql, who.id, who.shard, worker, lease)
    return _subscriber(record) if record else None


async def succeeded(connection: Any, who: Subscriber, worker: str) -> None:
    """The endpoint has answered."""
    sql = """UPDATE fhir.subscriber SET failures = 0, failing = NULL, gate = NULL, sent = clock_timestamp()
    WHERE id = $1 AND shard = $2 AND worker = $3"""
    await connection.execute(sql, who.id, who.shard, worker)


async def failed(connection: Any, who: Subscriber, worker: str, pause: timedelta) -> timedelta:
    """No further call before the pause is over, and somebody else may make it; how long it has been failing."""
    sql = """UPDATE fhir.subscriber SET failures = failures + 1, failing = coalesce(failing, clock_timestamp()),
      gate = clock_timestamp() + $4::interval, due = clock_timestamp() + $4::interval, worker = NULL, lease = NULL
    WHERE id = $1 AND shard = $2 AND worker = $3 RETURNING clock_timestamp() - failing"""
    return await connection.fetchval(sql, who.id, who.shard, worker, pause) or timedelta(0)


async def release(connection: Any, who: Subscriber, worker: str, seconds: float | None) -> bool:
    """Nothing is left to do but after so many seconds, or ever; False where work was added meanwhile."""
    sql = """UPDATE fhir.subscriber SET worker = NULL, lease = NULL, due = clock_timestamp() + $5::interval
    WHERE id = $1 AND shard = $2 AND worker = $3 AND turn = $4 RETURNING 1"""
    pause = None if seconds is None else timedelta(seconds=max(0.0, seconds))
    return await connection.fetchval(sql, who.id, who.shard, worker, who.turn, pause) is not None


async def give_back(connection: Any, who: Subscriber, worker: str) -> None:
    """Another process may go on at once."""
    sql = "UPDATE fhir.subscriber SET worker = NULL, lease = NULL WHERE id = $1 AND shard = $2 AND worker = $3"
    await connection.execute(sql, who.id, who.shard, worker)


async def since_sent(connection: Any, who: Subscriber) -> float | None:
    """Seconds since the endpoint answered last."""
    sql = (
        "SELECT extract(epoch FROM clock_timestamp() - sent)::float8 FROM fhir.subscriber WHERE id = $1 AND shard = $2"
    )
    seconds: float | None = await connection.fetchval(sql, who.id, who.shard)
    return seconds


def _subscriber(record: Any) -> Subscriber:
    return Subscriber(**{**record, "caller": msgspec.json.decode(record["caller"], type=Caller)})
