"""An instrument as the Questionnaire that any form filler renders: http://hl7.org/fhir/R4/questionnaire.html

Items are in Chinese, with their English as a translation; options carry their value as http://hl7.org/fhir/R4/extension-ordinalvalue.html
"""

from typing import Any, Final

from services.care.assessments.answers import answer_code
from services.care.scoring.instrument import Enabling, Group, Instrument, Item, Named, Option

Json = dict[str, Any]

_HL7: Final = "http://hl7.org/fhir/StructureDefinition"


def questionnaire(instrument: Instrument) -> Json:
    return {
        "resourceType": "Questionnaire",
        "id": instrument.name,
        "language": "zh-CN",
        "url": instrument.url,
        "version": instrument.version,
        "name": "".join(part.capitalize() for part in instrument.name.split("-")),
        "title": f"{instrument.zh} · {instrument.en}",
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "publisher": "医养 Yiyang",
        "description": instrument.source,
        "item": [_group(instrument, group) for group in instrument.groups],
    }


def _group(instrument: Instrument, group: Group) -> Json:
    items = [_item(instrument, item) for item in group.items]
    return {"linkId": group.link_id, **_text("text", group), "type": "group", "item": items}


def _item(instrument: Instrument, item: Item) -> Json:
    options = instrument.options[item.link_id]
    bounds = [_extension("minValue", "valueInteger", item.min), _extension("maxValue", "valueInteger", item.max)]
    extension = [_RADIO] if options else [bound for bound in bounds if bound]
    return {
        **({"extension": extension} if extension else {}),
        "linkId": item.link_id,
        "code": [{"system": instrument.system, "code": item.link_id}],
        **_text("text", item),
        "type": "choice" if options else "integer",
        **_enabled(instrument, item.enabled_when),
        "required": item.required,
        **({"answerOption": [_option(instrument, item, each) for each in options.values()]} if options else {}),
    }


def _enabled(instrument: Instrument, when: Enabling | None) -> Json:
    if when is None:
        return {}
    coding = {"system": instrument.system, "code": answer_code(when.item, when.answer)}
    return {"enableWhen": [{"question": when.item, "operator": "=", "answerCoding": coding}]}


def _option(instrument: Instrument, item: Item, option: Option) -> Json:
    ordinal = _extension("ordinalValue", "valueDecimal", option.value)
    coding = {"system": instrument.system, "code": answer_code(item.link_id, option.key), **_text("display", option)}
    return {**({"extension": [ordinal]} if ordinal else {}), "valueCoding": coding}


def _text(element: str, words: Named) -> Json:
    """http://hl7.org/fhir/R4/extension-translation.html"""
    parts = [{"url": "lang", "valueCode": "en"}, {"url": "content", "valueString": words.en}]
    return {element: words.zh, f"_{element}": {"extension": [{"url": f"{_HL7}/translation", "extension": parts}]}}


def _extension(name: str, value: str, given: int | None) -> Json | None:
    return None if given is None else {"url": f"{_HL7}/{name}", value: given}


_RADIO: Final = {
    "url": f"{_HL7}/questionnaire-itemControl",
    "valueCodeableConcept": {
        "coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "radio-button"}]
    },
}
