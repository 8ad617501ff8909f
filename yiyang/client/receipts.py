"""What came of each record of a batch: http://hl7.org/fhir/R4/bundle.html#response (docs/care-records.md)"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from yiyang.client.failure import Issue, issues_of

_CREATED: Final = 201
_REFUSED: Final = 400
# http://hl7.org/fhir/R4/valueset-issue-type.html#transient, and an edit conflict
_TRANSIENT: Final = frozenset({"conflict", "transient", "lock-error", "throttled", "timeout"})
_NUMBERED: Final = re.compile(r"^(第 \d+ 行：|line \d+: )")


class Receipt(msgspec.Struct, frozen=True):
    """`location` is `Type/id/_history/version` where the record is stored, now or before; `issues` say what there is to say."""

    status: int
    location: str | None = None
    issues: tuple[Issue, ...] = ()

    @property
    def is_new(self) -> bool:
        return self.status == _CREATED

    @property
    def is_refused(self) -> bool:
        return self.status >= _REFUSED

    @property
    def is_transient(self) -> bool:
        """Refused for what others did at the same moment, so that it may well be stored the next time."""
        return self.is_refused and any(each.code in _TRANSIENT for each in self.issues)


def receipts_of(bundle: Mapping[str, Any]) -> list[Receipt]:
    """In the order sent."""
    return [_receipt(entry["response"]) for entry in bundle.get("entry", ())]


def _receipt(response: Mapping[str, Any]) -> Receipt:
    status = int(response["status"].partition(" ")[0])
    return Receipt(status, response.get("location"), tuple(map(_unnumbered, issues_of(response.get("outcome", {})))))


def _unnumbered(issue: Issue) -> Issue:
    """The number of a line in its batch says nothing to who reads a file, and the place of a receipt says it already."""
    text, diagnostics = _NUMBERED.sub("", issue.text), _NUMBERED.sub("", issue.diagnostics)
    return msgspec.structs.replace(issue, text=text, diagnostics=diagnostics)
