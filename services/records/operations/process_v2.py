"""$process-v2: HL7 v2 messages as they are, ER7, one or a batch; the answer is their acknowledgement (docs/v2.md).

The gateway offers it as `POST /v2` too. https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
"""

from typing import Final

from services.fhir.outcomes import forbidden, unavailable, unsupported_media
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE, UPDATE, permissions
from services.fhir.service import Service
from services.records.operations.merge import merge
from services.records.operations.register import register
from services.records.v2.mapping import Mapping, MappingError, Mappings
from services.records.v2.receive import How, receive_all

MEDIA: Final = ("application/hl7-v2", "x-application/hl7-v2+er7")


class ProcessV2:
    """`mappings` are those of all senders."""

    def __init__(self, mappings: Mappings) -> None:
        self._mappings = mappings

    async def __call__(self, request: FhirRequest, service: Service) -> Answer:
        """An acknowledgement is a success of HTTP whatever it says: http 200, as the specification wants it."""
        if not permissions(request.caller.scopes).allow_any(CREATE + UPDATE):  # before a message is kept
            raise forbidden("The token's scopes cover no write", text="令牌无写入权限")
        sent = request.header(b"content-type")
        kind = sent.partition(";")[0].strip().lower()
        if kind not in MEDIA:
            raise unsupported_media(f"Send HL7 v2 as {' or '.join(MEDIA)}", text="请以 application/hl7-v2 发送")
        answer = await receive_all(
            request.body, request, service, How(self._rules(request.caller.client), merge, register)
        )
        return Answer(200, answer, ((b"content-type", sent.encode("latin-1")),))

    def _rules(self, client: str) -> Mapping:
        """A mapping that can't be read is this installation's to mend: the sender keeps its messages until then."""
        try:
            return self._mappings.of(client)
        except MappingError as error:
            raise unavailable(f"The mapping of this sender is wrong: {error}", text="该发送方的映射配置有误") from error
