"""CodeSystem/$lookup: http://hl7.org/fhir/R4/codesystem-operation-lookup.html"""

from collections.abc import Iterator
from typing import Any, Final

from services.fhir.operations.codes import one_coding, record
from services.fhir.operations.inputs import Json, invalid, parameters, read_inputs
from services.fhir.outcomes import not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.terminology.catalog import Catalog, unknown_canonical
from services.fhir.terminology.languages import display_in
from services.fhir.terminology.systems import Concept, System

_KNOWN: Final = ("code", "system", "version", "coding", "displayLanguage", "property")


async def lookup(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    coded = one_coding(inputs)
    if not coded.system:
        raise invalid("system", "a code is looked up in its system", "缺少代码系统")
    system = await Catalog(service.stores).system(coded.canonical)
    if system is None:
        raise unknown_canonical("CodeSystem", coded.canonical)
    concept = system.get(coded.code)
    if concept is None:
        raise not_found(f"No such code in {coded.canonical}", text="该代码系统中没有此代码")
    await record(request, service)
    wanted = frozenset(inputs.texts("property"))
    return parameters(
        {"name": "name", "valueString": system.name},
        {"name": "version", "valueString": system.version} if system.version else {},
        {"name": "display", "valueString": display_in(inputs.text("displayLanguage"), system.language, concept)},
        *([_designation(d) for d in _designations(concept, system)] if not wanted or "designation" in wanted else []),
        *(_property(name, value) for name, value in _properties(concept, system) if not wanted or name in wanted),
    )


def _designations(concept: Concept, system: System) -> list[Json]:
    """The display itself too, where its language is known."""
    own = [{"language": system.language, "value": concept.display}] if system.language else []
    return [*own, *concept.designations]


def _designation(designation: Json) -> Json:
    kinds = (("language", "valueCode"), ("use", "valueCoding"), ("value", "valueString"))
    return {"name": "designation", "part": [{"name": n, v: designation[n]} for n, v in kinds if n in designation]}


def _properties(concept: Concept, system: System) -> Iterator[tuple[str, Json]]:
    if concept.definition:
        yield "definition", {"valueString": concept.definition}
    if not any(p["code"] == "inactive" for p in concept.properties):
        yield "inactive", {"valueBoolean": concept.is_inactive}
    for parent in concept.parents:
        yield "parent", {"valueCode": parent}
    for child in system.children(concept.code):
        yield "child", {"valueCode": child}
    for each in concept.properties:
        if each["code"] != "parent":
            yield each["code"], {name: value for name, value in each.items() if name.startswith("value")}


def _property(name: str, value: dict[str, Any]) -> Json:
    return {"name": "property", "part": [{"name": "code", "valueCode": name}, {"name": "value", **value}]}
