"""The CapabilityStatement, made from what the deployables serve, so that it lists what works and nothing else.

http://hl7.org/fhir/R4/capabilitystatement.html
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from services.fhir.definitions import compartments
from services.fhir.headers import FHIR_JSON
from services.fhir.interactions.owners import with_all_types
from services.fhir.operations import Operation, operations_of, system_operations
from services.fhir.patch import PATCH_TYPES
from services.fhir.request import Answer, FhirRequest
from services.fhir.search.parameters import searchable_parameters
from services.fhir.search.registry import remembered, search_parameters
from services.fhir.search.targets import reference_targets
from services.fhir.served import Named, ServedType
from services.fhir.service import Service
from services.fhir.store.rows import instant
from services.fhir.store.tables import stored_types
from services.fhir.subscriptions.topics import ADVERTISED, TOPICS
from services.fhir.validation.profiles.shipped import profiles_of

_STATEMENT_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")
_COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
_DOCUMENTATION = (
    "Idempotency-Key on a POST: the same key and request have one effect and the first answer again (Idempotency-Replayed: true), "
    "another request under the key is 422, one still under way 409. If-Match is required (428) where a workflow governs a resource."
)
_WITHOUT_A_DEFINITION = ("_has", "_list", "_type")  # http://hl7.org/fhir/R4/search.html#all has them, as no resource


async def capabilities(_request: FhirRequest, service: Service) -> Answer:
    everything = await with_all_types(service)
    return Answer(200, msgspec.json.encode(statement(everything.served.values(), service.base, service.clock.now())))


def statement(served: Iterable[ServedType], base: str, now: datetime) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(now),
        "publisher": "Yiyang 医养",
        "kind": "instance",
        "software": {"name": "Yiyang 医养"},
        "implementation": {
            "description": "医养结合 FHIR R4 数据共享平台 · FHIR R4 data sharing for integrated elderly health and care",
            "url": base,
        },
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON, "json"],
        "patchFormat": list(PATCH_TYPES),
        "rest": [
            {
                "mode": "server",
                "documentation": _DOCUMENTATION,
                "security": _security(base),
                "resource": [_resource(s) for s in sorted(served, key=lambda s: s.type)],
                "interaction": [{"code": code} for code in _STATEMENT_INTERACTIONS],
                "searchParam": _parameters_of_all_types(),
                "operation": [_operation(o) for o in system_operations()],
                "compartment": [f"{_COMPARTMENT}{name[0].lower()}{name[1:]}" for name in compartments()],
            }
        ],
    }


def _parameters_of_all_types() -> list[dict[str, Any]]:
    """What is asked of the whole resource, whatever its type; the parameters of its elements stand at each type."""
    found = search_parameters("Basic")
    defined = [found[code] for code in ("_content", "_filter", "_text")]
    return [
        *({"name": p.code, "definition": p.url, "type": p.type} for p in defined),
        *({"name": code, "type": "special"} for code in _WITHOUT_A_DEFINITION),
    ]


def _security(base: str) -> dict[str, Any]:
    """http://hl7.org/fhir/smart-app-launch/conformance.html"""
    token = f"{base.rsplit('/', 1)[0]}/auth/token"
    return {
        "cors": False,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": token}],
            }
        ],
    }


def _resource(served: ServedType) -> dict[str, Any]:
    parameters = searchable_parameters(served.type)
    references = [p.code for p in parameters if p.type == "reference"]
    updates = "update" in served.interactions
    profiles = profiles_of(served.type)
    operations: tuple[Operation | Named, ...] = (*operations_of(served.type), *served.operations)
    return {
        **({"extension": _topics()} if served.type == "Subscription" else {}),
        "type": served.type,
        **({"supportedProfile": profiles} if profiles else {}),
        "interaction": [{"code": code} for code in served.interactions],
        "versioning": "versioned-update" if updates else "versioned",
        "readHistory": True,
        "updateCreate": updates,
        "conditionalCreate": "create" in served.interactions,
        "conditionalRead": "full-support",
        "conditionalUpdate": updates,
        "conditionalDelete": "single" if "delete" in served.interactions else "not-supported",
        "referencePolicy": ["literal", "local"],
        "searchInclude": [
            "*",
            *([f"{served.type}:*"] if references else ()),
            *(f"{served.type}:{code}" for code in references),
        ],
        "searchRevInclude": ["*", *_referring(served.type)],
        "searchParam": [{"name": p.code, "definition": p.url, "type": p.type} for p in parameters],
        "operation": [_operation(o) for o in operations],
    }


def _topics() -> list[dict[str, Any]]:
    return [{"url": ADVERTISED, "valueCanonical": topic.url} for topic in TOPICS]


@remembered
def _referring(resource_type: str) -> tuple[str, ...]:
    """The references, of all types, that can point to this one."""
    return tuple(
        f"{source}:{p.code}"
        for source in stored_types()
        for p in searchable_parameters(source)
        if p.type == "reference" and resource_type in reference_targets(source, p)
    )


def _operation(operation: Operation | Named) -> dict[str, Any]:
    return {"name": operation.name, "definition": operation.definition}
