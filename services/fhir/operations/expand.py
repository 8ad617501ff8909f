"""ValueSet/$expand: http://hl7.org/fhir/R4/valueset-operation-expand.html"""

from collections.abc import Sequence
from typing import Any, Final

from services.fhir.operations.codes import given_resources, record, subject
from services.fhir.operations.inputs import Inputs, Json, read_inputs, resource_answer
from services.fhir.outcomes import bad_request, unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.store.rows import instant
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.expansions import Member, entry
from services.fhir.terminology.languages import matches_text
from services.fhir.terminology.members import Members
from services.kit.ids import uuid7

MAX_WHOLE: Final = 10_000
# Those that change which codes there are are told in the answer; what is not among these is refused, never ignored.
_TOLD: Final = ("filter", "offset", "count", "activeOnly", "displayLanguage", "includeDesignations", "designation")
_FLAT: Final = ("excludeNested", "excludeNotForUI", "excludePostCoordinated")  # an expansion here is flat anyway
_KNOWN: Final = ("url", "valueSet", "valueSetVersion", "includeDefinition", *_TOLD, *_FLAT)
_ABOUT: Final = ("id", "url", "version", "name", "title", "status", "experimental", "immutable")


async def expand(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    catalog = Catalog(service.stores, given_resources(inputs, ("valueSet", "ValueSet")))
    value_set = await subject("ValueSet", inputs, request, catalog, service, "valueSet")
    if value_set is None:
        raise bad_request("url or valueSet is needed", code="required", text="缺少 url 或 valueSet")
    found = _filtered(list((await Members(catalog).of(value_set)).values()), inputs)
    await record(request, service)
    about: Json = value_set if inputs.flag("includeDefinition") else {n: value_set[n] for n in _ABOUT if n in value_set}
    expansion = _expansion(found, inputs, instant(request.at))
    expansion["parameter"] += await _versions(found, catalog)
    if not expansion["parameter"]:
        del expansion["parameter"]
    return resource_answer({"resourceType": "ValueSet", "status": "active", **about, "expansion": expansion})


def _filtered(members: list[Member], inputs: Inputs) -> list[Member]:
    if inputs.flag("activeOnly"):
        members = [m for m in members if not m.concept.is_inactive]
    if text := inputs.text("filter"):
        members = [m for m in members if matches_text(text, m.concept)]
    return members


def _expansion(found: Sequence[Member], inputs: Inputs, at: str) -> Json:
    offset, count = inputs.number("offset") or 0, inputs.number("count")
    if count is None and len(found) > MAX_WHOLE:
        raise unprocessable(
            f"{len(found)} codes: ask for them in pages, by count and offset",
            code="too-costly",
            text="代码过多，请分页获取",
        )
    page = found[offset : len(found) if count is None else offset + count]
    language = inputs.text("displayLanguage")
    lines = [entry(m, language, _designations(m, inputs)) for m in page]
    return {
        "identifier": f"urn:uuid:{uuid7()}",
        "timestamp": at,
        "total": len(found),
        **({"offset": offset} if inputs.text("offset") or count is not None else {}),
        "parameter": [{"name": n, **_typed(n, t)} for n in _TOLD for t in inputs.texts(n)],
        **({"contains": lines} if lines else {}),
    }


def _designations(member: Member, inputs: Inputs) -> list[Json]:
    """`designation` is a token, `system|code` or `code`, of a language or of a use."""
    wanted = {text.rpartition("|")[2] for text in inputs.texts("designation")}
    if not wanted:
        return list(member.concept.designations) if inputs.flag("includeDesignations") else []
    return [d for d in member.concept.designations if {d.get("language"), d.get("use", {}).get("code")} & wanted]


def _typed(name: str, text: str) -> dict[str, Any]:
    match name:
        case "offset" | "count":
            return {"valueInteger": int(text)}
        case "activeOnly" | "includeDesignations":
            return {"valueBoolean": text == "true"}
        case "displayLanguage":
            return {"valueCode": text}
        case _:
            return {"valueString": text}


async def _versions(found: Sequence[Member], catalog: Catalog) -> list[Json]:
    """Which version of each system was used, and whether only a part of it is known here."""
    told = []
    for url in dict.fromkeys(m.system for m in found):
        system = await catalog.system(url)
        if system is not None and system.version:
            told.append({"name": "version", "valueUri": f"{url}|{system.version}"})
        if system is not None and not system.is_complete:
            told.append({"name": "fragment", "valueUri": url})
    return told
