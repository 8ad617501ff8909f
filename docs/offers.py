"""What the server offers beside reading and writing: operations and terminologies, as documents made from their tables."""

from collections.abc import Iterator
from typing import Any, Final

from services.care.operations import operations as care_operations
from services.care.operations.evaluate_measure import Kept
from services.fhir.operations import OPERATIONS, Operation
from services.fhir.terminology.shipped import shipped_maps, shipped_system, shipped_systems
from services.records.operations import OPERATIONS as RECORDS
from services.referral.operations import OPERATIONS as REFERRAL

_PLACES: Final = {"system": "", "type": "{type}/", "instance": "{type}/{id}/"}
_CARE: Final = care_operations({}, Kept({}, (), {}, 5), {})
EVERY_OPERATION: Final = (*(each for several in OPERATIONS.values() for each in several), *RECORDS, *REFERRAL, *_CARE)
_OWN: Final = "https://yiyang.example/"


def operations(notice: str) -> str:
    """Where each operation is invoked, how, and which scope it takes."""
    lines = [
        "# Operations",
        notice,
        "Each by POST with Parameters; by GET too where nothing changes. `*` is every type. No letter means that the operation itself looks which",
        "types the scopes cover. A long one answers 202 and a `Content-Location`: `GET` it for progress and files, `DELETE` it to cancel.",
        "",
        "| Operation | Where | Changes | Scope |",
        "|---|---|---|---|",
        *map(_operation, EVERY_OPERATION),
    ]
    return "\n".join(lines) + "\n"


def _operation(operation: Operation) -> str:
    types = ", ".join(operation.types) or "*"
    places = " · ".join(f"`{_PLACES[level]}${operation.name}`" for level in operation.levels)
    about = f" ({types})" if operation.levels != ("system",) else ""
    scope = f"`.{operation.letters}`" if operation.letters else ""
    places += f" → {', '.join(operation.media)}" if operation.media else ""
    changes = "yes" if operation.affects_state else ""
    return f"| [${operation.name}]({operation.definition}) | {places}{about} | {changes} | {scope} |"


def terminologies(notice: str) -> str:
    """The platform's own and the national code systems, and the maps between them."""
    lines = [
        "# Terminologies",
        notice,
        "Shipped with every server, beside R4's own; what is stored under the same URL comes before. Each system has a value set of all its codes.",
        "",
        "| Code system | URL | Codes | Unsure |",
        "|---|---|---|---|",
        *map(_system, shipped_systems()),
        "",
        "| Map | From | To |",
        "|---|---|---|",
        *_maps(),
    ]
    return "\n".join(lines) + "\n"


def _system(resource: dict[str, Any]) -> str:
    system = shipped_system(resource["url"])
    concepts = list(system.concepts.values()) if system else []
    unsure = sum(concept.values("confidence") != [] for concept in concepts)
    part = "" if resource["content"] == "complete" else " (a part)"
    return f"| {resource['title']} | `{resource['url']}` | {len(concepts)}{part} | {unsure or ''} |"


def _maps() -> Iterator[str]:
    for each in shipped_maps():
        if each["url"].startswith(_OWN):
            group = each["group"][0]
            yield f"| `{each['url']}` | `{group['source']}` | `{group['target']}` |"
