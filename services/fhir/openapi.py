"""The FHIR routes of a service as a part of an OpenAPI document, made from its served types: https://spec.openapis.org/oas/v3.1.0

Whatever is a route, an interaction of a type or an operation is in it, and nothing else; the gateway puts the parts together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from services.fhir import openapi_parts as parts
from services.fhir.operations import OPERATIONS, Operation
from services.fhir.routes import FHIR_ROUTES, INVOKE, PUBLIC
from services.fhir.search.parameters import searchable_parameters
from services.fhir.served import Interaction, ServedType
from services.fhir.service import Service

Json = dict[str, Any]

OPENAPI: Final = "/internal/openapi"
SYSTEM: Final = "系统 · System"

# The interaction that a type must allow for the route to be there; the two forms of history differ by what stands before.
_NEEDS: Final[Mapping[str, Interaction]] = {
    "search": "search-type",
    "search_by_post": "search-type",
    "create": "create",
    "update": "update",
    "conditional_update": "update",
    "patch": "patch",
    "conditional_patch": "patch",
    "delete": "delete",
    "conditional_delete": "delete",
    "read": "read",
    "vread": "vread",
}


def describe(service: Service) -> Json:
    """`paths`, `tags` and `components` of one service."""
    paths: dict[str, Json] = {}
    for path, method, operation in _operations(service):
        paths.setdefault(path, {})[method.lower()] = operation
    tags = [
        {"name": t, "externalDocs": {"url": f"http://hl7.org/fhir/R4/{t.lower()}.html"}} for t in sorted(service.served)
    ]
    return {"paths": paths, "tags": [{"name": SYSTEM}, *tags], "components": parts.COMPONENTS}


def _operations(service: Service) -> Iterator[tuple[str, str, Json]]:
    served = sorted(service.served.values(), key=lambda s: s.type)
    for path, methods in FHIR_ROUTES:
        if methods is INVOKE:
            yield from _invocations(path, served, service)
        elif path.startswith("/fhir"):
            for method, handler in methods.items():
                yield from _interactions(path, method, handler.__name__, served, is_public=handler in PUBLIC)


def _interactions(
    path: str, method: str, handler: str, served: Iterable[ServedType], *, is_public: bool
) -> Iterator[tuple[str, str, Json]]:
    if "{type}" not in path:
        about = parts.operation(handler, "", path, tag=SYSTEM)
        yield path, method, about | ({"security": []} if is_public else {})
        return
    for each in served:
        needed = _history(path) if handler == "history" else _NEEDS.get(handler)
        is_there = needed is None or needed in each.interactions
        if is_there and ("compartment" not in handler or each.type == "Patient"):
            own = path.replace("{type}", each.type)
            yield (
                own,
                method,
                parts.operation(handler, each.type, own, tag=each.type, extra=_criteria(handler, each.type)),
            )


def _history(path: str) -> Interaction:
    return "history-instance" if "{id}" in path else "history-type"


def _criteria(handler: str, resource_type: str) -> list[Json]:
    """What a search of the type understands."""
    if handler not in ("search", "conditional_update", "conditional_patch", "conditional_delete"):
        return []
    return [parts.query(p.code, f"{p.type} · {p.url}") for p in searchable_parameters(resource_type)]


def _invocations(path: str, served: Iterable[ServedType], service: Service) -> Iterator[tuple[str, str, Json]]:
    level = "instance" if "{id}" in path else "type" if "{type}" in path else "system"
    named = (o for operations in OPERATIONS.values() for o in operations)
    for operation in (*named, *service.operations):
        types = [s.type for s in served] if level != "system" else [""]
        for resource_type in types:
            if operation.is_for(resource_type, level):
                own = path.replace("{type}", resource_type).replace("{operation}", operation.name)
                for method in operation.methods:
                    yield own, method, _invocation(operation, resource_type, method, own)


def _invocation(operation: Operation, resource_type: str, method: str, path: str) -> Json:
    name = f"{method.lower()}_{operation.name.replace('-', '_')}"
    about = parts.operation(name, resource_type, path, tag=resource_type or SYSTEM, has_body=method == "POST")
    if method == "POST" and operation.is_remembered:
        about["parameters"] = [*about.get("parameters", ()), parts.shared("Idempotency-Key")]
    if operation.media:
        about["responses"] = parts.other_media(operation.media)
        about.setdefault("parameters", []).append(parts.query("_format", " · ".join(operation.media)))
    return about | {"summary": f"${operation.name}", "externalDocs": {"url": operation.definition}}
