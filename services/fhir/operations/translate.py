"""ConceptMap/$translate: http://hl7.org/fhir/R4/conceptmap-operation-translate.html"""

from collections.abc import Iterable
from typing import Final

from services.fhir.operations.codes import Coded, codings, given_resources, record, subject
from services.fhir.operations.inputs import Inputs, Json, invalid, parameters, read_inputs
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.translations import NO_TRANSLATION, Asked, Translation, backward, forward

_CODE: Final = ("code", "system", "version", "coding", "codeableConcept")
_KNOWN: Final = ("url", "conceptMap", "conceptMapVersion", "source", "target", "targetsystem", "reverse", *_CODE)


async def translate(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    catalog = Catalog(service.stores, given_resources(inputs, ("conceptMap", "ConceptMap")))
    one = await subject("ConceptMap", inputs, request, catalog, service, "conceptMap")
    found: list[Translation] = []
    for coded in codings(inputs):
        if not coded.system:
            raise invalid("system", "a code is translated from its system", "缺少代码系统")
        asked = Asked(coded.system, coded.code, inputs.text("targetsystem"))
        maps = [one] if one else await _maps(coded, inputs, catalog)
        found += backward(maps, asked) if inputs.flag("reverse") else await forward(maps, asked, catalog)
    await record(request, service)
    return _answer(found, [await _match(each, catalog) for each in found])


async def _maps(coded: Coded, inputs: Inputs, catalog: Catalog) -> list[Json]:
    """Without a map named, all from this system, cut to the value sets that are named as source and target."""
    is_reverse = inputs.flag("reverse")
    maps = await (catalog.maps_to if is_reverse else catalog.maps_from)(coded.system or "")
    wanted = (("source", inputs.text("source")), ("target", inputs.text("target")))
    return [m for m in maps if all(url is None or url in _value_sets(m, side) for side, url in wanted)]


def _value_sets(concept_map: Json, side: str) -> Iterable[str]:
    return [str(concept_map[name]) for name in (f"{side}Uri", f"{side}Canonical") if name in concept_map]


def _answer(found: list[Translation], matches: list[Json]) -> Answer:
    is_translated = any(each.equivalence not in NO_TRANSLATION for each in found)
    message = "" if found else "No map that is known here translates this code · 未找到对应代码"
    return parameters(
        {"name": "result", "valueBoolean": is_translated},
        {"name": "message", "valueString": message} if message else {},
        *matches,
    )


async def _match(translation: Translation, catalog: Catalog) -> Json:
    parts: list[Json] = [{"name": "equivalence", "valueCode": translation.equivalence}]
    if translation.code is not None:
        parts.append({"name": "concept", "valueCoding": await _coding(translation, catalog)})
    parts += [_product(each) for each in translation.products]
    if translation.map:
        parts.append({"name": "source", "valueUri": translation.map})
    return {"name": "match", "part": parts}


async def _coding(translation: Translation, catalog: Catalog) -> Json:
    """With the display of the target system where the map gives none."""
    system = await catalog.system(translation.system) if translation.system else None
    known = system.get(translation.code or "") if system else None
    display = translation.display or (known.display if known else None)
    coding = {"system": translation.system, "code": translation.code, "display": display}
    return {name: value for name, value in coding.items() if value}


def _product(product: Json) -> Json:
    coding = {"system": product.get("system"), "code": product["value"]}
    return {
        "name": "product",
        "part": [
            {"name": "element", "valueUri": product["property"]},
            {"name": "concept", "valueCoding": {name: value for name, value in coding.items() if value}},
        ],
    }
