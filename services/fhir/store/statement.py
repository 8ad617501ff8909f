"""A statement under construction: its values, and the rows that its conditions are about."""

from typing import Any, Final

import msgspec

from services.fhir.search.index import date_parameters

RETURNED: Final = "t.id, t.shard, t.version, t.updated, t.method, t.body, t.patient"
_COLUMNS: Final = (
    "id text, type text, patient text, tokens text[], strings text[], words text[], quantities jsonb, composites jsonb"
)


class Sql:
    """The values behind `$n`; every value of a request is one, so requests of the same shape share a prepared statement."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.aliases = 0

    def bind(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def alias(self) -> str:
        """A name for one more table, that no other has."""
        self.aliases += 1
        return f"u{self.aliases}"


class Rows(msgspec.Struct, frozen=True):
    """Rows of one type under the alias `name`.

    `few` tells that other conditions leave a few rows, each of which is then looked at by itself. `container` is the alias of
    the row that contains these; such rows have no version, shard and references to them of their own.
    """

    name: str
    type: str
    few: bool = False
    container: str | None = None

    @property
    def updated(self) -> str:
        return f"{self.container or self.name}.updated"

    @property
    def live(self) -> str:
        """What every statement asks of a row before anything else."""
        return f"NOT {self.name}.deleted"


def table(resource_type: str) -> str:
    return f'fhir."{resource_type.lower()}"'


def contained_rows(resource_type: str, container: str, name: str) -> str:
    """The resources inside a row, as rows of the columns of their type's table."""
    dates = "".join(
        f', "{d.column}_lo" timestamptz, "{d.column}_hi" timestamptz'
        + (f', "{d.column}_each" tstzrange[]' if d.repeats else "")
        for d in date_parameters(resource_type)
    )
    return f"jsonb_to_recordset({container}.contained) AS {name} ({_COLUMNS}{dates})"
