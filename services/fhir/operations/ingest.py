"""Bundle/$ingest: care records of thousands, each stored once, with a receipt for each (docs/adr/0037, docs/care-records.md).

The body is a Bundle of the type collection or batch, or application/fhir+ndjson. The answer is the receipt, a batch-response; or 202, where
`Prefer: respond-async` asks for it or there is much, and the receipt can be fetched from Content-Location: http://hl7.org/fhir/R4/async.html
"""

from typing import Final

import msgspec

from services.fhir.bulk.job import Part
from services.fhir.bulk.kick_off import accepted, begin, place_of
from services.fhir.bulk.lines import NDJSON, lines_of, numbered, parts_of
from services.fhir.bulk.receipts import receipt
from services.fhir.bulk.worker import Worker
from services.fhir.outcomes import bad_request, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store import jobs

MOST: Final = 100_000  # entries of one job, whose receipt is one Bundle
MOST_WAITED: Final = 5000  # entries for which a request waits


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    request: _Request | None = None


class _Envelope(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815 - FHIR's own name
    type: str = ""
    entry: list[_Entry] = []


_decode: Final = msgspec.json.Decoder(_Envelope).decode


async def ingest(request: FhirRequest, service: Service) -> Answer:
    parts, form = _input(request)
    total = sum(part.total for part in parts)
    if not total:
        raise bad_request("There is nothing to take in", code="required", text="没有可接收的内容")
    if total > MOST:
        raise bad_request(
            f"At most {MOST} entries at once",
            code="too-costly",
            text=f"一次最多 {MOST} 条",
            expression=("Bundle.entry",),
        )
    waits = total <= MOST_WAITED and "respond-async" not in request.prefer
    worker = Worker(service)
    job = await begin("ingest", form, request, service, parts, total, worker=worker.name if waits else None)
    if not waits:
        return accepted(job, service)
    await worker.work_on(job)
    async with service.stores.database.connection() as connection:
        done = await jobs.find(connection, job.id, request.caller)
        if done is None or done.state != "completed":
            return accepted(job, service)  # it goes on without this request
        return Answer(200, await receipt(done, connection), (place_of(job, service),))


def _input(request: FhirRequest) -> tuple[list[Part], str]:
    """The entries as lines, numbered as their sender numbers them: those of a Bundle from 0, lines from 1."""
    media = request.header(b"content-type").partition(";")[0].strip().lower()
    if media in NDJSON:
        return numbered(parts_of(lines_of(request.body), 1)), "lines"
    request.check_json_body()
    return numbered(parts_of([_line(n, each) for n, each in enumerate(_opened(request.body).entry)], 0)), "entries"


def _opened(body: bytes) -> _Envelope:
    """The envelope alone: what is wrong with an entry is its own affair."""
    try:
        envelope = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(
            "The body is no Bundle that can be read",
            code="structure",
            text="请求内容不是可读取的 Bundle",
            expression=("Bundle",),
        ) from error
    if envelope.resourceType != "Bundle" or envelope.type not in ("collection", "batch"):
        raise bad_request(
            "A Bundle of the type collection or batch",
            code="value",
            text="Bundle.type 应为 collection 或 batch",
            expression=("Bundle.type",),
        )
    return envelope


def _line(number: int, entry: _Entry) -> bytes:
    """In JSON a line break stands between tokens only. An entry is to be created, and nothing else can be asked of it here."""
    if entry.request is not None and (entry.request.method != "POST" or "?" in entry.request.url):
        raise unprocessable(
            f"entry {number}: only a create (POST) can be asked of an entry of $ingest",
            code="not-supported",
            text=f"第 {number} 条：$ingest 只接受新建（POST）",
            expression=(f"Bundle.entry[{number}].request",),
        )
    return bytes(entry.resource).replace(b"\r", b" ").replace(b"\n", b" ")
