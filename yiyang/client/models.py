"""Resources as plain JSON or as models of fhir.resources, whichever one has: http://hl7.org/fhir/R4/json.html

The package has R4B and no R4; what the platform's profiles use is the same in both. It need not be installed for plain JSON.
"""

import json
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fhir_core.fhirabstractmodel import FHIRAbstractModel

Json = dict[str, Any]
M = TypeVar("M", bound="FHIRAbstractModel")


def name_of(resource: "FHIRAbstractModel | Json | type[FHIRAbstractModel]") -> str:
    """The resource type."""
    return str(resource["resourceType"] if isinstance(resource, dict) else resource.get_resource_type())


def text_of(resource: "FHIRAbstractModel | Json") -> bytes:
    """On one line."""
    if isinstance(resource, dict):
        return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
    return resource.model_dump_json().encode()


def like(sample: Any, body: Json) -> Any:
    """The body as what the sample is: a model of its class, or plain JSON."""
    return body if isinstance(sample, dict) else type(sample).model_validate(body)
