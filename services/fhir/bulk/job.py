"""A bulk job as it stands in the database: https://hl7.org/fhir/uv/bulkdata/STU2/export.html"""

from datetime import datetime
from typing import Literal

import msgspec

from services.kit.caller import Caller

Kind = Literal["export", "import", "ingest"]
State = Literal["accepted", "running", "completed", "failed", "cancelled"]
FileKind = Literal["output", "deleted", "error"]


class Export(msgspec.Struct, frozen=True):
    """What an export is asked for. `members` are a group's patients (None: no group), `newcomers` those it did not have at `since`.

    `filters` are the criteria of a type, of which any one suffices; a type without is not filtered.
    """

    types: tuple[str, ...]
    level: Literal["system", "patient", "group"]
    filters: dict[str, tuple[str, ...]] = {}
    since: datetime | None = None
    members: tuple[str, ...] | None = None
    newcomers: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """`done` of `total` are resources or lines; `tally` counts what came of them; `moment` is that of an export's snapshot."""

    id: str
    kind: Kind
    state: State
    caller: Caller
    request: str
    asked: str
    created: datetime
    moment: datetime | None
    total: int | None
    done: int
    tally: dict[str, int]
    attempts: int
    failure: str | None
    expires: datetime | None

    @property
    def progress(self) -> str:
        """For people, in less than 100 characters: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---in-progress-status"""
        if self.state == "accepted":
            return "queued"
        if self.total is None:
            return "listing what is to be done"
        percent = 100 * self.done // self.total if self.total else 100
        return f"{self.done} of {self.total} ({percent}%)"


class Part(msgspec.Struct, frozen=True):
    """A piece of the work, of which `done` of `total` are done: versions to write out, or lines to take in.

    `content` is the lines, compressed by gzip, and `first` the number of the first of them in its input.
    """

    number: int
    kind: str
    type: str
    ids: list[str]
    versions: list[int]
    content: bytes
    first: int
    total: int
    done: int


class File(msgspec.Struct, frozen=True):
    number: int
    kind: FileKind
    type: str
    lines: int

    @property
    def name(self) -> str:
        return f"{self.number}.{self.type}.ndjson"
