"""Responses to the shipped instruments: every item at its best, changed by linkId; signed by whom a test names."""

from collections.abc import Sequence
from typing import Any, Final

from services.care.assessments.answers import answer_code
from services.care.assessments.grading import RULE
from services.care.assessments.signing import SIGNATURE
from services.care.scoring.golden import answers_of
from services.care.scoring.instrument import Answer, Golden, Instrument
from services.care.scoring.load import load_instruments
from services.fhir.elements import CANONICAL
from tests.builders import questionnaire_response

Json = dict[str, Any]

INSTRUMENTS: Final = {each.name: each for each in load_instruments().values()}
ASSESSOR: Final = "1.2.840.10065.1.12.1.1"
SECOND: Final = "1.2.840.10065.1.12.1.2"
INFORMANT: Final = "1.2.840.10065.1.12.1.14"
BOTH: Final = ((ASSESSOR, "Practitioner/a"), (SECOND, "Practitioner/b"), (INFORMANT, "RelatedPerson/c"))
WHEN: Final = "2024-05-01T10:00:00+08:00"

Signer = tuple[str, str]


def assessment(
    name: str,
    elder: str,
    answers: dict[str, Answer | None] | None = None,
    signed: Sequence[Signer] = (),
    rule: str = "",
    **changes: Any,
) -> Json:
    instrument = INSTRUMENTS[name]
    extension = [signature(*each) for each in signed] + ([{"url": RULE, "valueCode": rule}] if rule else [])
    elements = {
        "questionnaire": f"{instrument.url}|{instrument.version}",
        "authored": WHEN,
        "author": {"reference": "Practitioner/a"},
        "item": items(instrument, answers or {}),
        "extension": extension or None,
    }
    return questionnaire_response(changes.pop("subject", elder), **(elements | changes))


def ability(elder: str, answers: dict[str, Answer | None] | None = None, **changes: Any) -> Json:
    """GB/T 42195, all at their best and no event of risk, signed by two assessors and the informant."""
    best: dict[str, Answer | None] = {"*": "best", "A": 0}
    return assessment("gbt42195", elder, best | (answers or {}), **({"signed": BOTH} | changes))


def items(instrument: Instrument, answers: dict[str, Answer | None]) -> list[Json]:
    """Grouped as the Questionnaire groups them."""
    given = answers_of(instrument, Golden(says="", answers=answers))
    known = [{"linkId": group.link_id, "item": [_item(instrument, each.link_id, given[each.link_id]) for each in group.items if each.link_id in given]} for group in instrument.groups]  # fmt: skip
    unknown = [
        _item(instrument, link_id, answer) for link_id, answer in given.items() if link_id not in instrument.items
    ]
    return [group for group in known if group["item"]] + unknown


def signature(kind: str, who: str, when: str = WHEN) -> Json:
    coding = {"system": "urn:iso-astm:E1762-95:2013", "code": kind}
    return {"url": SIGNATURE, "valueSignature": {"type": [coding], "when": when, "who": {"reference": who}}}


def code(name: str, of: str) -> str:
    """The token of a score or a level."""
    return f"{CANONICAL}/CodeSystem/{name}|{of}"


def _item(instrument: Instrument, link_id: str, answer: Answer) -> Json:
    value: Json = {"valueInteger": answer}
    if isinstance(answer, str):
        value = {"valueCoding": {"system": instrument.system, "code": answer_code(link_id, answer)}}
    return {"linkId": link_id, "answer": [value]}
