"""What an element was before it changed, kept beside it: http://hl7.org/fhir/R4/encounter-definitions.html#Encounter.statusHistory"""

from datetime import datetime
from typing import Any

Json = dict[str, Any]


def with_history(before: Json, after: Json, element: str, at: datetime) -> Json:
    """`statusHistory` of `status` and its like; what the sender says of it is left alone."""
    history = f"{element}History"
    was, known = before.get(element), before.get(history, [])
    if was == after.get(element) or len(after.get(history, ())) > len(known):
        return after
    return after | {history: [*known, {element: was, "period": _period(before, known, at)}]}


def _period(before: Json, known: list[Json], at: datetime) -> Json:
    """From the end of what was before that, else from the beginning of the whole."""
    ends = [each["period"]["end"] for each in known if "end" in each.get("period", {})]
    since = ends[-1] if ends else before.get("period", {}).get("start")
    return {**({"start": since} if since else {}), "end": at.isoformat(timespec="seconds")}
