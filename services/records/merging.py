"""Two records of one person, told by links and kept both: http://hl7.org/fhir/R4/patient.html#links (docs/adr/0034)

Nothing is keyed anew. What a merge adds is marked, so that it can be taken away again.
"""

from typing import Any, Final

from services.fhir.access.identity import identities_of
from services.fhir.naming import canonical
from services.fhir.outcomes import conflict, unprocessable

Json = dict[str, Any]

MERGED_FROM: Final = "https://yiyang.example/fhir/StructureDefinition/merged-from"
MERGED_VERSION: Final = "https://yiyang.example/fhir/StructureDefinition/merged-version"


def check_mergeable(source: Json, target: Json) -> None:
    """Raise where the records can't be of one person, or one of them is merged already."""
    for role, patient in (("source", source), ("target", target)):
        if replacing(patient) is not None:
            raise unprocessable(
                f"The {role} is merged into {replacing(patient)} already; use that one",
                code="business-rule",
                text="该档案已被合并，请使用合并后的档案",
                expression=("Patient.link",),
            )
    ours, theirs = ({key.partition("|")[0]: key for key in identities_of(patient)} for patient in (source, target))
    if any(ours[system] != theirs[system] for system in ours.keys() & theirs.keys()):
        raise conflict(
            "The records have different identifiers of which a person has one; mark the wrong one as old first",
            code="conflict",
            text="两份档案的证件号码不同；如其中之一有误，请先标记为旧号",
            expression=("Patient.identifier",),
        )


def merged(source: Json, target: Json, version: int) -> tuple[Json, Json]:
    """Source and target as they are then; `version` is that of the source before."""
    mark = {"url": MERGED_VERSION, "valueString": str(version)}
    link: Json = {"extension": [mark], "other": _named(target), "type": "replaced-by"}
    replaced = source | {"active": False, "link": [*source.get("link", ()), link]}
    if given := source.get("identifier"):
        replaced["identifier"] = [_old(each) for each in given]
    kept = target | {"link": [*target.get("link", ()), {"other": _named(source), "type": "replaces"}]}
    if moved := _moved(source, target):
        kept["identifier"] = [*target.get("identifier", ()), *moved]
    return replaced, kept


def unmerged(source: Json, target: Json, before: Json) -> tuple[Json, Json]:
    """Both without what the merge did; `before` is the source as it was, of which identifiers and `active` come back."""
    if replacing(source) != f"Patient/{target['id']}":
        raise unprocessable(
            "The source is not merged into the target",
            code="business-rule",
            text="两份档案并未合并",
            expression=("Patient.link",),
        )
    restored = {k: v for k, v in source.items() if k not in ("active", "identifier")}
    restored |= {k: before[k] for k in ("active", "identifier") if k in before}
    name = f"Patient/{source['id']}"
    alone = target | {"identifier": [i for i in target.get("identifier", ()) if not _is_from(i, name)]}
    return _without_link(restored, f"Patient/{target['id']}", "replaced-by"), _without_link(alone, name, "replaces")


def replacing(patient: Json) -> str | None:
    """The record that is to be used instead of this one."""
    return next((_other(each) for each in patient.get("link", ()) if each["type"] == "replaced-by"), None)


def version_before(source: Json, target: str) -> int | None:
    """The version of the source before it was merged into the target."""
    for link in source.get("link", ()):
        if link["type"] == "replaced-by" and _other(link) == target:
            said = (e["valueString"] for e in link.get("extension", ()) if e["url"] == MERGED_VERSION)
            return next((int(text) for text in said if text.isdigit()), None)
    return None


def _moved(source: Json, target: Json) -> list[Json]:
    """The source's identifiers that the target has not; in use where the target has none of that system."""
    there = {canonical(each) for each in target.get("identifier", ())}
    systems = {system for system, _ in there}
    mark = {"url": MERGED_FROM, "valueReference": _named(source)}
    return [
        (each if canonical(each)[0] not in systems else each | {"use": "old"})
        | {"extension": [*each.get("extension", ()), mark]}
        for each in source.get("identifier", ())
        if canonical(each) not in there
    ]


def _old(identifier: Json) -> Json:
    """A strong identifier is the other record's now."""
    return identifier | {"use": "old"} if identities_of({"identifier": [identifier]}) else identifier


def _is_from(identifier: Json, name: str) -> bool:
    marks = (e["valueReference"] for e in identifier.get("extension", ()) if e["url"] == MERGED_FROM)
    return any(mark.get("reference") == name for mark in marks)


def _without_link(patient: Json, name: str, kind: str) -> Json:
    left = [each for each in patient.get("link", ()) if not (each["type"] == kind and _other(each) == name)]
    found = patient | {"link": left}
    return {k: v for k, v in found.items() if not (k in ("link", "identifier") and v == [])}


def _named(patient: Json) -> Json:
    return {"reference": f"Patient/{patient['id']}"}


def _other(link: Json) -> str | None:
    found: str | None = link["other"].get("reference")
    return found
