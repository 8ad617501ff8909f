"""$import: NDJSON taken in by a job, each line as an update or a create of its own.

R4 has no such operation; its kick-off, status and files are those of a bulk export: https://hl7.org/fhir/uv/bulkdata/STU2/export.html
The body is application/fhir+ndjson, or Parameters with `input`s: the `url` of a Binary here, or the lines themselves as `data`.
"""

import base64
import binascii
from typing import Final

import jiter

from services.fhir.bulk.kick_off import kick_off
from services.fhir.bulk.lines import NDJSON, lines_of, numbered, parts_of
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import bad_request, unprocessable, unsupported_media
from services.fhir.references import relative
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import READ
from services.fhir.service import Service
from services.fhir.within_scopes import check_whole

MAX_INPUTS: Final = 100


async def import_(request: FhirRequest, service: Service) -> Answer:
    texts = await _texts(request, service)
    parts = numbered(part for text in texts for part in parts_of(lines_of(text), 1))
    total = sum(part.total for part in parts)
    if not total:
        raise bad_request("There is no line to import", code="required", text="没有可导入的内容")
    return await kick_off("import", "{}", request, service, parts, total)


async def _texts(request: FhirRequest, service: Service) -> list[bytes]:
    media = request.header(b"content-type").partition(";")[0].strip().lower()
    if media in NDJSON:
        return [request.body]
    if media not in ("application/fhir+json", "application/json"):
        raise unsupported_media("Send application/fhir+ndjson, or Parameters", text="请使用 application/fhir+ndjson")
    inputs = read_inputs(request)
    inputs.check_known({"input", "inputFormat"})
    if (inputs.text("inputFormat") or "application/fhir+ndjson") not in NDJSON:
        raise invalid("inputFormat", "application/fhir+ndjson is what is taken", "仅支持 application/fhir+ndjson")
    given = list(inputs.groups("input"))
    if len(given) > MAX_INPUTS:
        raise invalid("input", f"at most {MAX_INPUTS}", f"最多 {MAX_INPUTS} 个")
    return [await _text(each, request, service) for each in given]


async def _text(given: Inputs, request: FhirRequest, service: Service) -> bytes:
    """One input: `data`, or the content of a Binary that the caller may read. What lies elsewhere is not fetched."""
    given.check_known({"type", "url", "data"})
    url, data = given.text("url"), given.text("data")
    if (url is None) == (data is None):
        raise invalid("input", "either url or data", "url 与 data 只能给出一个")
    if data is not None:
        return _decoded(data)
    name, _, resource_id = relative(url or "", f"{service.base}/").partition("/")
    if name != "Binary" or "/" in resource_id:
        raise unprocessable(
            "url: only a Binary of this server is taken", code="not-supported", text="仅支持本服务器的 Binary"
        )
    check_whole(request.caller, "Binary", READ)
    stored = await service.stores.reading(lambda store: store.read("Binary", resource_id))
    if stored is None or stored.body is None:
        raise unprocessable("url: no such Binary", code="not-found", text="未找到该 Binary")
    await service.stores.audit_log.record(request.audit("read", 200, of=stored))
    return _decoded(jiter.from_json(stored.body.encode()).get("data", ""))


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise invalid("data", "not base64", "不是有效的 base64") from error
