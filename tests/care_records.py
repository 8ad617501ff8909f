"""The records of care in docs/care-records, as a nursing home sends them: what the page shows is what the tests post."""

import json
from copy import deepcopy
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
