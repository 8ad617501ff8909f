"""The answer of both $validate-code: http://hl7.org/fhir/R4/valueset-operation-validate-code.html"""

from collections.abc import Sequence

import msgspec

from services.fhir.operations.codes import Coded
from services.fhir.operations.inputs import parameters
from services.fhir.request import Answer
from services.fhir.terminology.languages import display_in, is_display_of
from services.fhir.terminology.systems import Concept


class Verdict(msgspec.Struct, frozen=True):
    """One code: whether it is right, what to say, and the display that it has."""

    is_valid: bool
    message: str = ""
    display: str | None = None


def verdict_on(coded: Coded, concept: Concept, language: str | None, own_language: str | None) -> Verdict:
    """A code that is there, with the display that was given for it."""
    display = display_in(language, own_language, concept)
    if coded.display is not None and not is_display_of(coded.display, concept):
        return Verdict(False, f"{coded.code}: the display is {display} · 显示名称有误", display)  # noqa: FBT003
    if concept.is_inactive:
        return Verdict(True, f"{coded.code}: no longer active · 代码已停用", display)  # noqa: FBT003
    return Verdict(True, "", display)  # noqa: FBT003


def answer(verdicts: Sequence[Verdict]) -> Answer:
    """Of a concept's codings one right one is enough; a coding with a wrong display is told all the same."""
    best = next((v for v in verdicts if v.is_valid), None)
    message = "; ".join(dict.fromkeys(v.message for v in verdicts if v.message))
    display = (best or verdicts[0]).display
    return parameters(
        {"name": "result", "valueBoolean": best is not None},
        {"name": "message", "valueString": message} if message else {},
        {"name": "display", "valueString": display} if display else {},
    )
