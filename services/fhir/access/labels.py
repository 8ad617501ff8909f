"""Security labels that limit who sees a resource: http://hl7.org/fhir/R4/security-labels.html

Confidentiality restricts from R on: R is for treatment, V and each sensitive category for those whom the setting clears. A label that is
in none of these systems limits nothing.
"""

from collections.abc import Iterable
from typing import Any, Final

from services.fhir.access.purposes import TREATMENT

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OWN: Final = "https://yiyang.example/fhir/CodeSystem/sensitive-category"

# 精神心理、传染病、安宁、家庭暴力, by HL7's codes and by ours
SENSITIVE: Final = frozenset({"PSY", "PSYTHPN", "BH", "HIV", "STD", "SDV", "SEX", "ETH", "SUD", "VIO"})
SENSITIVE_OWN: Final = frozenset({"mental-health", "infectious", "hospice", "domestic-violence"})
_RESTRICTING: Final = frozenset({"R", "V"})
LABELS: Final = tuple(sorted(_RESTRICTING | SENSITIVE | SENSITIVE_OWN))


def labels_of(resource: dict[str, Any]) -> tuple[str, ...]:
    """The codes in `meta.security` that limit access, sorted."""
    meta = resource.get("meta")
    if not meta or "security" not in meta:
        return ()
    return tuple(
        sorted({label["code"] for label in meta["security"] if _limits(label.get("system"), label.get("code"))})
    )


def _limits(system: str | None, code: str | None) -> bool:
    if system == CONFIDENTIALITY:
        return code in _RESTRICTING
    return (system == ACT_CODE and code in SENSITIVE) or (system == OWN and code in SENSITIVE_OWN)


def clearance(purpose: str, cleared: Iterable[str]) -> tuple[str, ...]:
    """The labels that a caller may see: R for treatment, others as the setting says of its organization."""
    return tuple(sorted({*cleared, *(("R",) if purpose in TREATMENT else ())}))


def removed(before: Iterable[str], after: Iterable[str], clear: Iterable[str]) -> tuple[str, ...]:
    """The labels that a new version drops and its writer may not."""
    return tuple(sorted({*before} - {*after} - {*clear}))
