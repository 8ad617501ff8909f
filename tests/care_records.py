"""The records of care in docs/care-records, as a nursing home sends them: what the page shows is what the tests post."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parents[1] / "docs" / "care-records"
RESIDENTS: Final = "https://home.example/residents"
RECORDS: Final = "https://home.example/records"


def care_examples(resident: str = "A-0302", batch: str = "") -> list[Json]:
    """Each of them, of this resident, under numbers that begin with `batch`."""
    found = deepcopy(_examples())
    for each in found:
        each["subject"]["identifier"]["value"] = resident
        number = each["identifier"][0] if isinstance(each["identifier"], list) else each["identifier"]
        number["value"] = f"{batch}{number['value']}"
    return found


@cache
def _examples() -> list[Json]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


# Of 20 records: what a nursing home writes of its elders in a day, mostly signs and care.
_SHARES: Final = {"Observation": 11, "Procedure": 6, "MedicationAdministration": 2, "Composition": 1}
_BEGIN: Final = datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=8)))


def days_of_care(count: int, elders: int, batch: str) -> Iterator[Json]:
    """So many records of so many residents, named `batch` and their numbers; no two are alike."""
    examples = {each["resourceType"]: each for each in _examples()}
    kinds = [kind for kind, share in _SHARES.items() for _ in range(share)]
    for n in range(count):
        yield _record(deepcopy(examples[kinds[n % len(kinds)]]), n, f"{batch}-{n % elders}", batch)


def _record(record: Json, number: int, resident: str, batch: str) -> Json:
    at = (_BEGIN + timedelta(seconds=number)).isoformat()
    record["subject"] = {"identifier": {"system": RESIDENTS, "value": resident}}
    record["meta"]["source"] = f"urn:batch:{batch}"
    identifier = {"system": RECORDS, "value": f"{batch}-{number:06}"}
    record["identifier"] = [identifier] if isinstance(record["identifier"], list) else identifier
    for name in ("effectiveDateTime", "date"):
        if name in record:
            record[name] = at
    if "performedPeriod" in record:
        record["performedPeriod"] = {"start": at, "end": at}
    return record
