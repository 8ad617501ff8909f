"""The lines of a plan, an activity, a goal or a medication, in a form in which two institutions' can be compared.

http://hl7.org/fhir/R4/careplan.html · http://hl7.org/fhir/R4/medicationstatement.html
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Json = dict[str, Any]
Kind = Literal["medication", "activity", "goal"]

_STOPPED: Final = frozenset(
    {"stopped", "not-taken", "cancelled", "completed", "revoked", "entered-in-error", "rejected"}
)
_STRENGTH: Final = re.compile(r"(\d+(?:\.\d+)?\s*(?:mg|g|kg|ml|mL|μg|ug|mcg|IU|iu|单位|%|U))(?![a-zA-Z])")
_SPACE: Final = re.compile(r"[\s,，。;；、()（）]+")


class Line(msgspec.Struct, frozen=True):
    """`key` is what two lines of the same have in common, `terms` what may differ; `place` is where it stands, `Type/id` of what is a resource.

    `is_stopped`: it says that this is not, or no longer, to be done.
    """

    kind: Kind
    key: str
    terms: str
    place: str
    body: Json
    is_stopped: bool = False


def medication(resource: Json) -> Line:
    """A MedicationStatement or a MedicationRequest. The strength belongs to the dose, not to the name."""
    concept = resource.get("medicationCodeableConcept", {})
    name = concept.get("text") or next((c["display"] for c in concept.get("coding", ()) if "display" in c), "")
    strength = " ".join(_STRENGTH.findall(name))
    dosages = resource.get("dosage") or resource.get("dosageInstruction") or []
    return Line(
        "medication",
        _code_of(concept)
        or _plain(_STRENGTH.sub("", name))
        or resource.get("medicationReference", {}).get("reference", ""),
        " ".join([_plain(strength), *(_dose(each) for each in dosages)]).strip(),
        f"{resource['resourceType']}/{resource['id']}",
        resource,
        is_stopped=resource.get("status") in _STOPPED or resource.get("doNotPerform") is True,
    )


def activities(plan: Json) -> list[Line]:
    return [_activity(each, n) for n, each in enumerate(plan.get("activity", ()))]


def goal(resource: Json) -> Line:
    measures = [_code_of(each.get("measure", {})) for each in resource.get("target", ())]
    aims = [_told({n: v for n, v in each.items() if n.startswith("detail")}) for each in resource.get("target", ())]
    return Line(
        "goal",
        next(filter(None, measures), "") or _plain(resource["description"].get("text", "")),
        " ".join(filter(None, aims)),
        f"Goal/{resource['id']}",
        resource,
        is_stopped=resource.get("lifecycleStatus") in {"cancelled", "rejected", "entered-in-error"},
    )


def name_of(line: Line) -> str:
    """For people: as the line itself says it."""
    body = line.body
    if line.kind == "medication":
        concept = body.get("medicationCodeableConcept", {})
        said = concept.get("text") or next((c.get("display", "") for c in concept.get("coding", ())), "")
        dosages = body.get("dosage") or body.get("dosageInstruction") or []
        return " ".join(filter(None, [said or line.key, *(each.get("text", "") for each in dosages)]))
    if line.kind == "goal":
        return str(body["description"].get("text", line.key))
    detail = body.get("detail", {})
    return str(detail.get("description") or detail.get("code", {}).get("text") or line.key)


def is_allergic(line: Line, allergies: Iterable[Json]) -> bool:
    """By its code or by its name, to any that is not refuted."""
    for each in allergies:
        codes = {f"{c.get('system', '')}|{c.get('code', '')}" for c in each.get("code", {}).get("coding", ())}
        name = _plain(each.get("code", {}).get("text", ""))
        if line.key in codes or (name and name in _plain(name_of(line))):
            return True
    return False


def _activity(activity: Json, number: int) -> Line:
    detail = activity.get("detail", {})
    reference = activity.get("reference", {}).get("reference", "")
    timing = {name: value for name, value in detail.items() if name.startswith("scheduled")}
    return Line(
        "activity",
        _code_of(detail.get("code", {})) or _plain(detail.get("description", "")) or reference,
        _told(timing),
        f"CarePlan.activity[{number}]",
        activity,
        is_stopped=detail.get("doNotPerform") is True or detail.get("status") in {"stopped", "cancelled"},
    )


def _code_of(concept: Json) -> str:
    coding = next((c for c in concept.get("coding", ()) if "code" in c), None)
    return f"{coding.get('system', '')}|{coding['code']}" if coding else ""


def _dose(dosage: Json) -> str:
    """What is exact, where it is there; else the words."""
    exact = {n: dosage[n] for n in ("timing", "doseAndRate", "asNeededBoolean", "maxDosePerDay") if n in dosage}
    route = _code_of(dosage.get("route", {}))
    return _told(exact) + route if exact else _plain(dosage.get("text", "")) + route


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{name}:{_told(value[name])}" for name in sorted(value) if name not in ("display", "unit"))
            + "}"
            if value
            else ""
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_told, value)) + "]"
    return _plain(format(value.normalize(), "f") if hasattr(value, "normalize") else str(value))


def _plain(text: str) -> str:
    return _SPACE.sub("", text).lower()
