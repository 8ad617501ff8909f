"""Patches: a stored body and a patch document give the next body: http://hl7.org/fhir/R4/http.html#patch"""

from services.fhir.patch.apply import JSON_PATCH, PATCH_TYPES, apply_patch, patch_in_entry, patch_type

__all__ = ["JSON_PATCH", "PATCH_TYPES", "apply_patch", "patch_in_entry", "patch_type"]
