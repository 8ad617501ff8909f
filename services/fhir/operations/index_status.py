"""How far the index of a SearchParameter is: `SearchParameter/[id]/$index-status` (docs/adr/0022)."""

from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import Json, parameters, read_inputs
from services.fhir.outcomes import FhirError
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.custom import served
from services.fhir.service import Service
from services.fhir.store import reindex
from services.fhir.store.reindex import parsed


async def index_status(request: FhirRequest, service: Service) -> Answer:
    """One part per type: its state, how many resources are indexed, and of how many; or why it cannot be served."""
    read_inputs(request).check_known(())
    stored = await service.stores.reading(lambda store: store.read(request.type, request.id))
    await service.stores.audit_log.record(request.audit("index-status", 200 if stored else 404, of=stored))
    stored = present(stored, request.type)
    try:
        wanted = served(parsed(stored.body or "{}"))
    except FhirError as error:
        issue = error.issues[0]
        return parameters(_state("refused"), {"name": "reason", "valueString": f"{issue.text} · {issue.diagnostics}"})
    async with service.stores.database.connection() as connection:
        found = await reindex.progress(connection, request.id)
    current = [each for each in found if each.version == stored.version]
    if len(current) < len(wanted):
        return parameters(_state("waiting"))
    done = all(each.state == "done" for each in current)
    return parameters(_state("none" if not wanted else "done" if done else "running"), *map(_part, current))


def _state(code: str) -> Json:
    return {"name": "state", "valueCode": code}


def _part(progress: reindex.Progress) -> Json:
    total = [{"name": "total", "valueInteger": progress.total}] if progress.total is not None else []
    counted = [{"name": "done", "valueInteger": progress.done}, *total]
    kind = [{"name": "type", "valueCode": progress.type}, {"name": "state", "valueCode": progress.state}]
    return {"name": "type", "part": [*kind, *counted]}
