"""What came of an entry, as an entry of the batch-response that is the receipt: http://hl7.org/fhir/R4/bundle.html#response

`status` as a batch has it; `outcome` says in Chinese and English what there is to say. What was sent as a Bundle is named as
`Bundle.entry[n]`, what was sent as lines by the number of its line.
"""

import asyncio
import gzip
from http import HTTPStatus
from typing import Any, Final

from services.fhir.bulk.job import Job
from services.fhir.bulk.line_outcomes import Verb, named
from services.fhir.bundle import bundle, text
from services.fhir.interactions.envelope import at_entry
from services.fhir.outcomes import FhirError, Issue, operation_outcome
from services.fhir.store import jobs
from services.fhir.store.rows import Stored, instant

_WORDS: Final = {"entries": ("entry", "条"), "lines": ("line", "行")}
_TOLD: Final = {
    "unchanged": Issue("information", "informational", "Stored before; nothing was written", "此前已收到，未重复写入"),
    "duplicate": Issue(
        "information",
        "duplicate",
        "The reading of this device at this instant is here; nothing was written",
        "重复读数，未重复写入",
    ),
}


def done_entry(_number: int, verb: Verb, stored: Stored) -> str:
    status = HTTPStatus.CREATED if verb == "created" else HTTPStatus.OK
    told = f',"outcome":{operation_outcome([_TOLD[verb]]).decode()}' if verb in _TOLD else ""
    return (
        f'{{"response":{{"status":"{status.value} {status.phrase}","location":"{stored.type}/{stored.id}/_history/{stored.version}",'
        f'"etag":{text(stored.etag)},"lastModified":"{instant(stored.updated)}"{told}}}}}'
    )


def refused_entry(number: int, error: FhirError, resource_type: str, form: str) -> str:
    """A place in the resource is told as one in the Bundle where a Bundle was sent."""
    issues = [named(number, issue, resource_type, _WORDS[form]) for issue in error.issues]
    if form == "entries":
        issues = [*at_entry(FhirError(error.status, tuple(issues)), number).issues]
    status = f"{error.status} {HTTPStatus(error.status).phrase}"
    return f'{{"response":{{"status":"{status}","outcome":{operation_outcome(issues).decode()}}}}}'


async def receipt(job: Job, connection: Any) -> bytes:
    """The whole of it, entry by entry in the order sent; to be had as long as the files of the job are kept."""
    files = [file for file in await jobs.files(connection, job.id) if file.kind == "output"]
    found = [await jobs.content(connection, job.id, file.number) for file in files]
    return await asyncio.to_thread(_whole, [content for _, content in filter(None, found)])


def _whole(contents: list[bytes]) -> bytes:
    texts = (gzip.decompress(each).decode() for each in contents)
    return bundle("batch-response", [line for each in texts for line in each.removesuffix("\n").split("\n")])
