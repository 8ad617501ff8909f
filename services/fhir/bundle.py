"""Bundles as bytes around stored bodies, which are copied and never parsed: http://hl7.org/fhir/R4/bundle.html"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from services.fhir.headers import Return
from services.fhir.outcomes import Issue, operation_outcome
from services.fhir.store.rows import Stored, instant

STORED: Final = Issue("information", "informational", "Stored", "已保存")
SAVED: Final = operation_outcome([STORED])
REASONS: Final = {200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified"}


def text(value: str) -> str:
    """A JSON string."""
    return msgspec.json.encode(value).decode()


def bundle(
    kind: str,
    entries: Iterable[str],
    *,
    links: Sequence[tuple[str, str]] = (),
    total: int | None = None,
    updated: datetime | None = None,
) -> bytes:
    """`links` are (relation, url); an empty list of entries is left out, as FHIR's JSON has no empty arrays."""
    meta = f'"meta":{{"lastUpdated":"{instant(updated)}"}},' if updated else ""
    parts = [f'{{"resourceType":"Bundle",{meta}"type":"{kind}"']
    if total is not None:
        parts.append(f'"total":{total}')
    if links:
        parts.append('"link":[' + ",".join(f'{{"relation":"{r}","url":{text(url)}}}' for r, url in links) + "]")
    if joined := ",".join(entries):
        parts.append(f'"entry":[{joined}]')
    return (",".join(parts) + "}").encode()


def search_entry(stored: Stored, base: str, mode: Literal["match", "include"]) -> str:
    return f'{{"fullUrl":"{base}/{stored.type}/{stored.id}","resource":{stored.body},"search":{{"mode":"{mode}"}}}}'


def outcome_entry(outcome: bytes) -> str:
    """What a lenient search has to tell: http://hl7.org/fhir/R4/search.html#errors"""
    return f'{{"resource":{outcome.decode()},"search":{{"mode":"outcome"}}}}'


def history_entry(stored: Stored, base: str) -> str:
    """http://hl7.org/fhir/R4/http.html#history: a deletion has a request and no resource."""
    url = stored.type if stored.method == "POST" else f"{stored.type}/{stored.id}"
    resource = f'"resource":{stored.body},' if stored.body else ""
    status = "204" if stored.is_deleted else "201" if stored.version == 1 else "200"
    return (
        f'{{"fullUrl":"{base}/{stored.type}/{stored.id}",{resource}"request":{{"method":"{stored.method}","url":"{url}"}},'
        f'"response":{{"status":"{status}","etag":{text(stored.etag)},"lastModified":"{instant(stored.updated)}"}}}}'
    )


def write_entry(stored: Stored | None, base: str, preferred: Return) -> str:
    """The answer to one write of a transaction; None for a deletion of what was not there."""
    if stored is None:
        return '{"response":{"status":"204 No Content"}}'
    status = 204 if stored.is_deleted else 201 if stored.is_created else 200
    resource = (
        f'"fullUrl":"{base}/{stored.type}/{stored.id}","resource":{stored.body},'
        if preferred == "representation" and stored.body
        else ""
    )
    outcome = f',"outcome":{SAVED.decode()}' if preferred == "OperationOutcome" else ""
    return (
        f'{{{resource}"response":{{"status":"{status} {REASONS[status]}","location":"{stored.type}/{stored.id}/_history/{stored.version}",'
        f'"etag":{text(stored.etag)},"lastModified":"{instant(stored.updated)}"{outcome}}}}}'
    )


def answer_entry(status: int, headers: dict[bytes, bytes], body: bytes) -> str:
    """One answer of a batch: a failure's OperationOutcome is told as `outcome`."""
    response = [f'"status":"{status}{" " + REASONS[status] if status in REASONS else ""}"']
    response += [
        f'"{name}":{text(headers[header].decode("latin-1"))}'
        for name, header in (("location", b"location"), ("etag", b"etag"))
        if header in headers
    ]
    failed = status >= 400  # noqa: PLR2004 - RFC 9110
    if failed and body:
        response.append(f'"outcome":{body.decode()}')
    resource = f'"resource":{body.decode()},' if body and not failed else ""
    return f'{{{resource}"response":{{{",".join(response)}}}}}'
