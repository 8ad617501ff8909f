"""The text of the access predicate is made once for callers of a kind, and is the same as if it were made each time: docs/adr/0023"""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.fhir.access.access import SYSTEM, Access
from services.fhir.store import statement
from services.fhir.store.access import visible
from services.fhir.store.statement import Sql, Subject

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLERS = [
    Access(organization, purpose, NOW, clearance, person)
    for organization in ("home", "clinic", "RelatedPerson/daughter")
    for purpose in ("TREAT", "ETREAT", "BTG", "HRESCH", "PATRQT")
    for clearance in ((), ("V",))
    for person in (None, "elder")
] + [SYSTEM]
ROWS = [
    Subject(name, kind, patient, shard, alone)
    for name in ("t", "h")
    for kind in ("Patient", "Observation", "Organization", "Task", "Binary", None)
    for patient, shard, alone in ((None, None, False), (None, None, True), ("$1::text", "$2::bigint", False))
]
Said = tuple[str, list[Any]]


def _said(caller: Access, row: Subject, *, writing: bool, bound: int) -> list[Said]:
    """Twice in one statement: the second time its values are there."""
    sql = Sql(caller)
    for n in range(bound):
        sql.bind(n, "bigint")
    return [(visible(row, sql, writing=writing), [*sql.values]) for _ in range(2)]


@pytest.mark.parametrize("writing", [False, True])
def test_a_remembered_predicate_is_the_one_that_would_be_made(monkeypatch: pytest.MonkeyPatch, writing: bool) -> None:  # noqa: FBT001
    cases = [(caller, row, bound) for row in ROWS for bound in (0, 2) for caller in CALLERS]
    remembering = [_said(c, r, writing=writing, bound=n) for _ in range(2) for c, r, n in cases]
    monkeypatch.setattr(statement, "MOST_PARTS", 0)
    afresh = []
    for caller, row, bound in cases:
        statement._parts.clear()  # noqa: SLF001
        afresh.append(_said(caller, row, writing=writing, bound=bound))
    assert remembering == afresh * 2
