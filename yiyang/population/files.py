"""The county as files: one NDJSON for each resource type, as `$import` takes them, or one transaction an institution and elder.

http://hl7.org/fhir/uv/bulkdata/STU2/export.html
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from yiyang.population.county import County
from yiyang.story.elements import Json, create, transaction, update
from yiyang.story.institutions import directory_of

_encode: Final = msgspec.json.encode


def directory(county: County) -> Iterator[tuple[str, Json]]:
    """(institution, transaction): each describes itself."""
    return ((each.id, directory_of(each)) for each in county.institutions)


def of_elder(resources: Sequence[Json]) -> Json:
    """Sent again it replaces itself; a referral, which has moved on meanwhile, is left as it is."""
    return transaction(
        *(_once(each) if each["resourceType"] == "ServiceRequest" else update(each) for each in resources)
    )


def _once(resource: Json) -> Json:
    number = resource["identifier"][0]
    entry = create(resource)
    entry["request"]["ifNoneExist"] = f"identifier={number['system']}|{number['value']}"
    return entry


class Ndjson:
    """A file for each type, opened when the first of it comes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def write(self, bundle: Json) -> int:
        """Each resource of the transaction; how many there were."""
        for entry in bundle["entry"]:
            kind = entry["resource"]["resourceType"]
            if kind not in self._files:
                self._files[kind] = self._stack.enter_context((self._folder / f"{kind}.ndjson").open("wb"))
            self._files[kind].write(_encode(entry["resource"]) + b"\n")
        return len(bundle["entry"])


class Bundles:
    """One file with a transaction a line, in the order in which they have to be sent."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "bundles.ndjson").open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, bundle: Json) -> int:
        self._file.write(_encode(bundle) + b"\n")
        return len(bundle["entry"])
