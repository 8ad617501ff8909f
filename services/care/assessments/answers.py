"""The answers in a QuestionnaireResponse, wherever its items stand: http://hl7.org/fhir/R4/questionnaireresponse.html"""

from collections.abc import Iterator
from typing import Any

from services.care.scoring.instrument import Answer, Instrument
from services.care.scoring.score import Fault, NotGradableError

Json = dict[str, Any]


def answers_of(response: Json, instrument: Instrument) -> dict[str, Answer]:
    """Raise NotGradableError for an item that stands twice, and for an answer of another kind than the instrument asks for."""
    answers: dict[str, Answer] = {}
    faults = []
    for item in _items(response):
        link_id, given = item["linkId"], item.get("answer", ())
        if not given or any(group.link_id == link_id for group in instrument.groups):
            continue
        if link_id in answers or len(given) > 1:
            faults.append(_fault(instrument, link_id, "duplicate", "answered more than once", "重复作答"))
        elif (answer := _answer(given[0], link_id, instrument)) is None:
            faults.append(_fault(instrument, link_id, "code-invalid", "not an answer to this item", "答案不属于此项"))
        else:
            answers[link_id] = answer
    if faults:
        raise NotGradableError(tuple(faults))
    return answers


def answer_code(link_id: str, option: str) -> str:
    """The code of an option in the code system of its instrument."""
    return f"{link_id}-{option}"


def _items(parent: Json) -> Iterator[Json]:
    for item in parent.get("item", ()):
        yield item
        yield from _items(item)
        for answer in item.get("answer", ()):
            yield from _items(answer)


def _answer(given: Json, link_id: str, instrument: Instrument) -> Answer | None:
    coding = given.get("valueCoding")
    if coding is None:
        number = given.get("valueInteger")
        return number if isinstance(number, int) else None
    code, begins = coding.get("code", ""), answer_code(link_id, "")
    if coding.get("system", instrument.system) != instrument.system or not code.startswith(begins):
        return None
    return str(code.removeprefix(begins))


def _fault(instrument: Instrument, link_id: str, code: str, diagnostics: str, text: str) -> Fault:
    item = instrument.items.get(link_id)
    return Fault(link_id, code, diagnostics, f"{item.zh}：{text}" if item else text)
