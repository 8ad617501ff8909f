"""What FHIR refused, told in the terms of the message: the field from which the element was read (docs/adr/0043)."""

import re
from typing import Final

from services.fhir.outcomes import FhirError, Issue
from services.records.v2.faults import DATA_TYPE, DUPLICATE_KEY, INTERNAL, UNKNOWN_KEY, Fault, Place
from services.records.v2.work import Work

_ENTRY: Final = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource(?:\.([A-Za-z.]+))?)?")
_CODES: Final = {
    "duplicate": DUPLICATE_KEY,
    "conflict": DUPLICATE_KEY,
    "not-found": UNKNOWN_KEY,
    "value": DATA_TYPE,
    "invariant": DATA_TYPE,
    "structure": DATA_TYPE,
    "code-invalid": DATA_TYPE,
}


def faults_of(error: FhirError, work: Work | None) -> tuple[Fault, ...]:
    return tuple(_fault(issue, work) for issue in error.issues if issue.severity in ("error", "fatal"))


def _fault(issue: Issue, work: Work | None) -> Fault:
    place = _place(issue, work)
    code = _CODES.get(issue.code, INTERNAL)
    return Fault(place, code, f"{place}: {issue.diagnostics}", f"{place}：{issue.text}")


def _place(issue: Issue, work: Work | None) -> Place:
    """The message as a whole where no field stands behind it."""
    for expression in issue.expression:
        found = _ENTRY.match(expression)
        if work is None or found is None or int(found[1]) >= len(work.places):
            continue
        places = work.places[int(found[1])]
        element = (found[2] or "").split(".")[0]
        near = (place for name, place in places.items() if name.partition(".")[0] == element)
        return next(near, None) or next(iter(places.values()), Place("MSH"))
    return Place("MSH")
