"""A statement under construction: its values, and the rows that its conditions are about."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import msgspec

from services.fhir.access.access import Access
from services.fhir.scopes import READ
from services.fhir.search.index import date_parameters

RETURNED: Final = "t.id, t.shard, t.version, t.updated, t.method, t.body, t.patient"
_COLUMNS: Final = (
    "id text, type text, patient text, tokens text[], strings text[], words text[], quantities jsonb, composites jsonb"
)


_WHO: Final[Mapping[str, Callable[[Access], Any]]] = {
    "organization": lambda access: access.organization,
    "purpose": lambda access: access.purpose,
    "at": lambda access: access.at,
    "clearance": lambda access: list(access.clearance),
}
MOST_PARTS: Final = 2048
_parts: Final[dict[Hashable, tuple[str, tuple[tuple[str, str], ...]]]] = {}


class Sql:
    """The values behind `$n`; every value of a request is one, so requests of the same shape share a prepared statement.

    `letters` of `cruds` say what the rows are looked at for: scopes may grant a part of them (services/fhir/access/limits.py).
    """

    def __init__(self, access: Access, letters: str = READ) -> None:
        self.access = access
        self.letters = letters
        self.values: list[Any] = []
        self.aliases = 0
        self._named: dict[str, str] = {}

    def bind(self, value: Any, kind: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def once(self, name: str, value: Any, kind: str) -> str:
        """Bind what a statement says many times, such as the caller's organization."""
        if name not in self._named:
            self._named[name] = self.bind(value, kind)
        return self._named[name]

    def remembered(self, key: Hashable, make: Callable[[], str]) -> str:
        """A part of a statement that follows from the key, from what is bound before it and from who asks: its text is made once."""
        place = key, len(self.values), tuple(self._named.items())
        if (known := _parts.get(place)) is not None:
            text, names = known
            for name, bound in names:
                self._named[name] = bound
                self.values.append(_WHO[name](self.access))
            return text
        had = len(self.values), len(self._named)
        text = make()
        names = tuple(self._named.items())[had[1] :]
        if len(self.values) - had[0] == len(names) and all(name in _WHO for name, _ in names):
            if len(_parts) >= MOST_PARTS:
                _parts.clear()
            _parts[place] = text, names
        return text

    @property
    def shared(self) -> frozenset[int]:
        """The numbers of the values that say who asks, and when: the same in all that one caller asks at a time."""
        return frozenset(int(place[1:].partition("::")[0]) for place in self._named.values())

    def alias(self) -> str:
        """A name for one more table, that no other has."""
        self.aliases += 1
        return f"u{self.aliases}"


class Rows(msgspec.Struct, frozen=True):
    """Rows of one type under the alias `name`.

    `few` tells that other conditions leave a few rows, each of which is then looked at by itself. `container` is the alias of
    the row that contains these; such rows have no version, shard and references to them of their own. `bound` are the patient
    and the shard that a condition names.
    """

    name: str
    type: str
    few: bool = False
    container: str | None = None
    bound: tuple[str, str] | tuple[()] = ()

    @property
    def updated(self) -> str:
        return f"{self.container or self.name}.updated"


class Subject(msgspec.Struct, frozen=True):
    """Rows under the alias `name`: of one type, or of the type in their column `type`; `patient` and `shard` where they are bound.

    `is_alone` tells that few rows are looked at: then the shortest statement is the best one. `is_past` tells that the rows are versions
    of resources, which stand in no index themselves.
    """

    name: str
    type: str | None
    patient: str | None = None
    shard: str | None = None
    is_alone: bool = False
    is_past: bool = False

    @property
    def kind(self) -> str:
        return f"'{self.type}'" if self.type else f"{self.name}.type"


def table(resource_type: str) -> str:
    """Where rows of a type are read. AuditEvents are those that clients recorded, and the audit itself."""
    if resource_type == "AuditEvent":
        return "fhir.auditevents"
    return f'fhir."{resource_type.lower()}"'


def contained_rows(resource_type: str, container: str, name: str) -> str:
    """The resources inside a row, as rows of the columns of their type's table."""
    dates = "".join(
        f', "{d.column}_lo" timestamptz, "{d.column}_hi" timestamptz'
        + (f', "{d.column}_each" tstzrange[]' if d.repeats else "")
        for d in date_parameters(resource_type)
    )
    return f"jsonb_to_recordset({container}.contained) AS {name} ({_COLUMNS}{dates})"
