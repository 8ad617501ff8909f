"""Which patch a body is, and what comes of it: http://hl7.org/fhir/R4/http.html#patch"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from services.fhir.headers import FHIR_JSON, JSON_TYPES, check_charset
from services.fhir.outcomes import FhirError, bad_request, unprocessable, unsupported_media
from services.fhir.patch import exact
from services.fhir.patch.fhirpath_patch import fhirpath_patch
from services.fhir.patch.json_patch import json_patch
from services.fhir.validation import parse, validate

JSON_PATCH: Final = "application/json-patch+json"
PATCH_TYPES: Final = (JSON_PATCH, FHIR_JSON)


def patch_type(content_type: str) -> str:
    """`application/json-patch+json`, or FHIR's own for a Parameters resource; 415 for anything else."""
    media = content_type.partition(";")[0].strip().lower()
    if media == JSON_PATCH or media in JSON_TYPES:
        check_charset(content_type)
        return JSON_PATCH if media == JSON_PATCH else FHIR_JSON
    raise unsupported_media(
        f"Send {JSON_PATCH}, or a Parameters resource as {FHIR_JSON}", headers={"Accept-Patch": ", ".join(PATCH_TYPES)}
    )


def patch_in_entry(resource: Mapping[str, Any], raw: bytes) -> tuple[str, bytes]:
    """The type and text of the patch that a Bundle's entry holds: a Binary with a JSON Patch in it, or Parameters."""
    if resource.get("resourceType") != "Binary":
        return FHIR_JSON, raw
    try:
        data = base64.b64decode(resource.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise bad_request("Binary.data is not base64", code="value", expression=("Binary.data",)) from None
    return patch_type(str(resource.get("contentType", ""))), data


def apply_patch(body: bytes, kind: str, patch: bytes) -> bytes:
    """The next body, not yet validated: what the patch leaves alone keeps its bytes."""
    before, after = exact.read(body), exact.read(body)
    try:
        after = (
            json_patch(after, exact.read(patch)) if kind == JSON_PATCH else fhirpath_patch(after, _operations(patch))
        )
        if not isinstance(after, dict):
            raise _no_resource()
        return exact.spliced(body, before, after)
    except RecursionError:
        raise bad_request("The patched resource is nested too deeply", code="too-costly", text="嵌套层次过深") from None


def _operations(patch: bytes) -> list[dict[str, Any]]:
    validate(parse(patch, "Parameters"))
    parameters: list[dict[str, Any]] = exact.read(patch).get("parameter", [])
    return parameters


def _no_resource() -> FhirError:
    return unprocessable("The patch leaves no resource", text="补丁的结果不是资源")
