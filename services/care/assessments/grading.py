"""From a response to its grades, or to a refusal that names each element at fault: http://hl7.org/fhir/R4/operationoutcome.html"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.care.assessments.answers import answers_of
from services.care.scoring.instrument import Instrument, Rule
from services.care.scoring.score import Fault, Graded, NotGradableError, score
from services.fhir.elements import CANONICAL
from services.fhir.outcomes import FhirError, Issue, unprocessable

Json = dict[str, Any]
Instruments = Mapping[str, Instrument]

RULE: Final = f"{CANONICAL}/StructureDefinition/scoring-rule"
_TYPE: Final = "QuestionnaireResponse"
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def instrument_of(response: Json, instruments: Instruments) -> Instrument | None:
    """None for a form that is no instrument; 422 for another version of one: it would be scored by other rules than it was asked by."""
    url, _, version = response.get("questionnaire", "").partition("|")
    found = instruments.get(url)
    if found and version and version != found.version:
        raise unprocessable(
            f"{found.name} is scored in version {found.version}",
            code="business-rule",
            text=f"{found.zh}：此处按 {found.version} 版评定",
            expression=(f"{_TYPE}.questionnaire",),
        )
    return found


def rule_of(response: Json, instrument: Instrument, asked: str | None = None) -> Rule:
    """The rule that the operation asks for, that the response names, or the default."""
    named = (each.get("valueCode", "") for each in response.get("extension", ()) if each.get("url") == RULE)
    found = instrument.rule(asked or next(named, ""))
    if found is None:
        known = ", ".join(rule.version for rule in instrument.rules)
        raise unprocessable(
            f"The rules of {instrument.name} are {known}",
            code="code-invalid",
            text=f"{instrument.zh}没有此规则版本，可用：{known}",
            expression=(f"{_TYPE}.extension",),
        )
    return found


def grade(response: Json, instrument: Instrument, rule: Rule) -> Graded:
    try:
        return score(instrument, answers_of(response, instrument), rule)
    except NotGradableError as error:
        raise FhirError(422, tuple(_issues(error.faults))) from error


def _issues(faults: Iterable[Fault]) -> Iterable[Issue]:
    """An item is named only where its linkId looks like one, not like somebody's words."""
    for fault in faults:
        if _PLAIN(fault.link_id):
            place = f"{_TYPE}.repeat(item).where(linkId='{fault.link_id}')"
            yield Issue(
                "error", fault.code, f"{fault.link_id}: {fault.diagnostics}", f"{fault.link_id} {fault.text}", (place,)
            )
        else:
            yield Issue("error", fault.code, fault.diagnostics, fault.text, (f"{_TYPE}.item",))
