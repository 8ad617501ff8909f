"""What is done beside requests: bulk jobs, reindexing, places held, timers, keys of idempotency (docs/adr/0015, docs/adr/0022, docs/adr/0026)."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from services.fhir.store.tables.columns import BYTEWISE, INSTANT, metadata

job: Final = Table(
    "job",
    metadata,
    Column("id", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created", INSTANT, nullable=False),
    Column("moment", INSTANT),
    Column("total", BigInteger),
    Column("done", BigInteger, nullable=False),
    Column("tally", Text, nullable=False),
    Column("worker", Text),
    Column("beat", INSTANT),
    Column("attempts", BigInteger, nullable=False),
    Column("failure", Text),
    Column("expires", INSTANT),
    PrimaryKeyConstraint("id", "shard", name="job_pkey"),
    comment="Bulk exports and imports. All lie on shard 0, one queue; whoever's beat is recent works on a job. `moment` is the instant "
    "of an export's snapshot.",
)

job_part: Final = Table(
    "job_part",
    metadata,
    Column("job", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("ids", ARRAY(BYTEWISE)),
    Column("versions", ARRAY(BigInteger)),
    Column("content", LargeBinary),
    Column("first", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    PrimaryKeyConstraint("job", "number", "shard", name="job_part_pkey"),
    comment="What a job has to do, piece by piece: versions to write out, or lines (gzip) to take in. `shard` is the hash of the job.",
)

job_file: Final = Table(
    "job_file",
    metadata,
    Column("job", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job", "number", "shard", name="job_file_pkey"),
    comment="The files that a job has written (gzip): every replica can serve them, and they are backed up and deleted with all else.",
)

reindex: Final = Table(
    "reindex",
    metadata,
    Column("parameter", BYTEWISE, nullable=False),
    Column("type", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("after", BYTEWISE, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("created", INSTANT, nullable=False),
    PrimaryKeyConstraint("parameter", "type", "shard", name="reindex_pkey"),
    comment="How far the resources of a type are indexed by a stored SearchParameter, up to the id `after`. `shard` is the parameter's.",
)

hold: Final = Table(
    "hold",
    metadata,
    Column("key", BYTEWISE, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("holder", BYTEWISE, nullable=False),
    Column("until", INSTANT),
    PrimaryKeyConstraint("key", "n", "shard", name="hold_pkey"),
    comment="Who holds place `n` of what there is a limited number of. A row whose `until` has come is free. `shard` is the hash of the key.",
)
Index("hold_holder", hold.c.holder)

timer: Final = Table(
    "timer",
    metadata,
    Column("holder", BYTEWISE, nullable=False),
    Column("act", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("service", Text, nullable=False),
    Column("due", INSTANT, nullable=False),
    Column("ready", INSTANT, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    PrimaryKeyConstraint("holder", "act", "shard", name="timer_pkey"),
    comment="What the platform does by itself and when. Who takes one up moves `ready` ahead; the effect's own commit deletes it. "
    "`shard` is one of 16, from the hash of the holder.",
)
Index("timer_ready", timer.c.service, timer.c.ready, timer.c.shard)

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("key", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("asked", Text, nullable=False),
    Column("created", INSTANT, nullable=False),
    Column("token", Text),
    Column("until", INSTANT),
    Column("status", SmallInteger),
    Column("headers", Text),
    Column("body", Text),
    Column("names", ARRAY(Text)),
    PrimaryKeyConstraint("key", "shard", name="idempotency_pkey"),
    comment="What was answered under an Idempotency-Key; `token` and `until` are of a request under way. `key` is a hash, `shard` its hash.",
)
Index("idempotency_created", idempotency.c.created, postgresql_using="brin")

v2_message: Final = Table(
    "v2_message",
    metadata,
    Column("key", BYTEWISE, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("client", Text, nullable=False),
    Column("organization", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("control", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("received", INSTANT, nullable=False),
    Column("answered", INSTANT, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("faults", Text, nullable=False),
    Column("names", ARRAY(Text), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("acknowledgement", LargeBinary, nullable=False),
    PrimaryKeyConstraint("key", "shard", name="v2_message_pkey"),
    comment="HL7 v2 messages as they came, and what they were answered. `key` is the hash of sender and control id, `shard` its hash; "
    "`names` are the resources that were written or found.",
)
Index("v2_message_answered", v2_message.c.answered)
Index("v2_message_open", v2_message.c.received, postgresql_where=v2_message.c.code != "AA")
