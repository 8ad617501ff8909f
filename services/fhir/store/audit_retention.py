"""Deletes audit rows whose time is over, block by block; the blocks stay, so the chain can still be verified (docs/adr/0016)."""

from datetime import datetime
from typing import Any, Final

from services.fhir.audit.chain import Block, Sealing
from services.fhir.audit.retention import Pruned, check_months, signed
from services.fhir.audit.row import row
from services.fhir.store import audit_chain
from services.fhir.store.rows import AuditRow
from services.fhir.store.versions import AUDIT_INSERT, encode_audit
from services.kit.caller import Caller

_OPERATOR: Final = Caller("yiyang-cli", "", None, (), "HOPERAT", "audit-prune", "")
_COLUMNS: Final = "number, at, through, lasting_through, algorithm, key, mac"
_THROUGH: Final = """SELECT coalesce(max(number), 0) FROM fhir.audit_block
WHERE sealed < $1::timestamptz - make_interval(months => $2)"""


async def pruned(connection: Any) -> Pruned | None:
    record = await connection.fetchrow(f"SELECT {_COLUMNS} FROM fhir.audit_prune ORDER BY number DESC LIMIT 1")
    return Pruned(*record) if record else None


async def prune(connection: Any, now: datetime, months: int, lasting_months: int, by: Sealing) -> int:
    """Delete the rows of blocks sealed that many months ago; how many there were. One transaction."""
    check_months(months, lasting_months)
    async with connection.transaction():
        before = await pruned(connection)
        through = await connection.fetchval(_THROUGH, now, months)
        lasting_through = await connection.fetchval(_THROUGH, now, lasting_months)
        if before and (before.through, before.lasting_through) == (through, lasting_through):
            return 0
        count = 0
        async for block in audit_chain.blocks(connection):
            if block.number > through:
                break
            count += await audit_chain.delete_rows(connection, _over(block, lasting_through, before))
        if count:
            told = signed(before.number + 1 if before else 1, now, through, lasting_through, by)
            places = ", ".join(f"${n}" for n in range(1, 8))
            await connection.execute(
                f"INSERT INTO fhir.audit_prune ({_COLUMNS}) VALUES ({places})",
                *(getattr(told, name.strip()) for name in _COLUMNS.split(",")),
            )
            await connection.execute(AUDIT_INSERT.format(rows="$1"), encode_audit([_remembered(told)]))
        return count


def _remembered(told: Pruned) -> AuditRow:
    """That rows are gone stands in the audit too."""
    query = f"through={told.through}&lasting-through={told.lasting_through}"
    return row(told.at, _OPERATOR, "audit-prune", 200, None, None, query=query)


def _over(block: Block, lasting_through: int, before: Pruned | None) -> list[str]:
    """The rows of a block whose time is over and that were not deleted before."""
    kept = frozenset(block.lasting) if block.number > lasting_through else frozenset()
    gone = before is not None and block.number <= before.through
    over = (n for n in range(len(block.events)) if n not in kept)
    return [block.events[n] for n in over if not gone or n in block.lasting]
