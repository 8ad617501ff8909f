"""CodeableConcepts and References, built and read: http://hl7.org/fhir/R4/datatypes.html#CodeableConcept · http://hl7.org/fhir/R4/references.html"""

from typing import Any, Final

Json = dict[str, Any]

CANONICAL: Final = "https://yiyang.example/fhir"
"""What the canonical URLs of the platform's own definitions begin with."""


def concept(system: str, code: str, display: str | None = None) -> Json:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def codes_in(concepts: Any, system: str) -> tuple[str, ...]:
    """The codes of one system in a CodeableConcept or in several."""
    several = concepts if isinstance(concepts, list) else [concepts] if concepts else []
    codings = (coding for each in several for coding in each.get("coding", ()))
    return tuple(c["code"] for c in codings if c.get("system") == system and "code" in c)


def code_in(concepts: Any, system: str) -> str:
    """The first of them, empty where there is none."""
    return next(iter(codes_in(concepts, system)), "")


def reference(name: str) -> Json:
    """`name` is `Type/id`."""
    return {"reference": name}


def reference_in(value: Any) -> str:
    """`Type/id` of a literal reference, without version and base; empty where there is none."""
    text = value.get("reference", "") if isinstance(value, dict) else ""
    parts = str(text).partition("/_history/")[0].split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


def id_in(value: Any, resource_type: str) -> str | None:
    """The id of a literal reference to this type."""
    kind, _, resource_id = reference_in(value).partition("/")
    return resource_id if kind == resource_type and resource_id else None
