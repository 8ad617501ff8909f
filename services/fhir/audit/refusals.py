"""What was asked for and not given is remembered too, once: trust begins where a refusal leaves a trace."""

from typing import Final

from services.fhir.request import FhirRequest
from services.fhir.service import Service

REMEMBERED: Final = frozenset({401, 403, 404})
_SILENT: Final = frozenset(
    {"capabilities", "answer_prepare"}
)  # nothing personal; asked by a peer, which tells it itself
_NAMES: Final = {"search": "search-type", "post_bundle": "transaction"}


async def remember_refusal(status: int, request: FhirRequest, handler: str, service: Service) -> None:
    """A row for a refusal that the interaction has not told itself; durable before the answer leaves."""
    is_ours = not request.type or request.type in service.served
    if status in REMEMBERED and request.audited != status and handler not in _SILENT and is_ours:
        row = request.audit(_interaction(handler, request), status, query=request.query or None)
        await service.stores.audit_log.record(row)


def _interaction(handler: str, request: FhirRequest) -> str:
    if handler == "invoke":
        return request.operation
    if handler == "history":
        return f"history-{'instance' if request.id else 'type' if request.type else 'system'}"
    name = handler.removeprefix("conditional_").removesuffix("_by_post")
    return _NAMES.get(name, name.replace("_", "-"))
