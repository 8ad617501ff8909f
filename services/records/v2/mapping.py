"""The mapping from segments and fields to FHIR elements, as data: docs/v2.md; its way of thinking is http://hl7.org/fhir/uv/v2mappings

A sender's own file says only what differs: it is merged over the default as RFC 7386 says, so a null takes a rule away.
"""

from collections.abc import Mapping as Table
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from services.records.v2.charset import named

Json = dict[str, Any]
Kind = Literal[
    "string", "code", "coding", "concept", "date", "dateTime", "instant", "identifier", "name", "address", "telecom",
    "practitioner", "location", "boolean", "text", "range",
]  # fmt: skip
Act = Literal["register", "admit", "transfer", "discharge", "update", "merge", "report", "order", "refer"]
_DEFAULT: Final = "default.json"


class MappingError(ValueError):
    """A file that is no mapping; the message names the file and what to mend."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a message does, which segments it must have, and the status that its Encounter gets."""

    act: Act
    needs: tuple[str, ...] = ("PID",)
    status: str = ""
    creates: bool = False
    """May it bring a person who is not known yet?"""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One element: the first of `fields` that says something; `each` where the element repeats as the field does.

    `table` turns codes into codes, `fixed` stands beside what was sent.
    """

    fields: tuple[str, ...]
    kind: Kind
    each: bool = False
    required: bool = False
    table: str = ""
    fixed: Json = {}


class IdentifierKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What CX-5 means; `own` where a number is unique only within the institution that gave it."""

    system: str
    own: bool = False
    type: Json = {}


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`institutions` are the Organizations behind the codes by which a sender knows them."""

    charset: str
    events: Table[str, Event]
    segments: Table[str, Table[str, Rule]]
    identifiers: Table[str, IdentifierKind]
    systems: Table[str, str]
    tables: Table[str, Table[str, Any]]
    units: Table[str, str]
    institutions: Table[str, str] = {}

    def rules(self, segment: str) -> Table[str, Rule]:
        return self.segments.get(segment, {})


class Mappings:
    """The default, and for each client whose file lies in the folder its own."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def of(self, client: str) -> Mapping:
        own = self._folder / f"{client}.json" if self._folder else None
        changed = own.stat().st_mtime_ns if own is not None and own.is_file() else 0
        return _read(str(own) if changed else "", changed)


@lru_cache(maxsize=256)
def _read(path: str, _changed: int) -> Mapping:
    """Read again when the file has changed: a mended mapping counts without a restart."""
    shipped = msgspec.json.decode(files(__package__).joinpath("mappings", _DEFAULT).read_bytes())
    try:
        whole = _merged(shipped, msgspec.json.decode(Path(path).read_bytes())) if path else shipped
        found = msgspec.convert(whole, Mapping)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise MappingError(f"{path or _DEFAULT}: {error}") from error
    if wrong := [*_problems(found)]:
        raise MappingError(f"{path or _DEFAULT}: {'; '.join(wrong)}")
    return found


def _merged(target: Any, patch: Any) -> Any:
    """https://www.rfc-editor.org/rfc/rfc7386#section-2"""
    if not isinstance(patch, dict):
        return patch
    kept = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = _merged(kept.get(name), value)
    return kept


def _problems(found: Mapping) -> list[str]:
    tables = [rule.table for rules in found.segments.values() for rule in rules.values() if rule.table]
    wrong = [f"no table is called {name}" for name in tables if name not in found.tables]
    if named(found.charset) is None:
        wrong.append(f"charset {found.charset} is not read here")
    return wrong
