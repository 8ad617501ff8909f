"""Satisfaction surveys: forms as files, answers that need no name and are told in sums (docs/adr/0050).

http://hl7.org/fhir/R4/questionnaire.html
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.care.definition_files import check, decoded, definition_files
from services.fhir.business import Change
from services.fhir.outcomes import FhirError, Issue, unprocessable
from services.fhir.validation import validate

Json = dict[str, Any]

_TYPE: Final = "QuestionnaireResponse"


@cache
def load_surveys(folder: Path | None = None) -> Mapping[str, Json]:
    """Each form by its URL; those of a folder of one's own come before the shipped ones."""
    found: dict[str, Json] = {}
    for file in definition_files("services.care.quality", folder):
        form: Json = decoded(file, dict[str, Any])
        check(file, str(form.get("id")), ())
        validate(form)
        found[form["url"]] = form
    return found


def check_survey(change: Change, surveys: Mapping[str, Json]) -> None:
    """Refuse an answer to a survey that is not one: incomplete, about a person, or changed afterwards."""
    form = _form(change.before, surveys) or _form(change.after, surveys)
    if form is None:
        return
    if change.before is not None:
        _check_only_voided(change)
        return
    response = change.after or {}
    if response.get("status") != "completed":
        raise _refused("status", "an answer is complete when it comes", "调查须填写完整后提交")
    if not str(response.get("subject", {}).get("reference", "")).startswith("Organization/"):
        raise _refused("subject", "a survey is about an Organization", "须注明被评价的机构", code="required")
    if issues := tuple(_faults(response, form)):
        raise FhirError(422, issues)


def _check_only_voided(change: Change) -> None:
    before, after = change.before or {}, change.after
    same = after is not None and {**after, "status": "", "meta": None} == {**before, "status": "", "meta": None}
    if not same or after is None or after.get("status") != "entered-in-error":
        raise _refused(
            "",
            "an answer is not changed afterwards, only entered-in-error",
            "调查答卷不可修改或删除，如有误请标记为 entered-in-error",
        )


def _faults(response: Json, form: Json) -> Iterator[Issue]:
    given = {item.get("linkId", ""): item.get("answer", []) for item in _items(response)}
    asked = {item["linkId"]: item for item in _items(form)}
    for link_id, item in asked.items():
        answers, codes = given.get(link_id, []), _codes(item)
        told = [each.get("valueCoding", {}).get("code") for each in answers]
        if item.get("required") and item["type"] != "group" and not told:
            yield _fault(link_id, "required", "not answered", f"{item.get('text', link_id)}：未作答")
        elif codes and ((len(told) > 1 and not item.get("repeats")) or not {*told} <= codes):
            yield _fault(
                link_id, "code-invalid", "one of its options", f"{item.get('text', link_id)}：应为所列选项之一"
            )
    if {*given} - {*asked}:
        yield Issue("error", "value", "An item that is not asked", "含有问卷以外的题目", (f"{_TYPE}.item",))


def _items(parent: Json) -> Iterator[Json]:
    """All, wherever they stand."""
    for item in parent.get("item", ()):
        yield item
        yield from _items(item)


def _codes(item: Json) -> set[str]:
    """What may be chosen; empty where it is not one of a list."""
    options = item.get("answerOption", ()) if item["type"] == "choice" else ()
    return {str(each["valueCoding"].get("code")) for each in options if "valueCoding" in each}


def _fault(link_id: str, code: str, diagnostics: str, text: str) -> Issue:
    return Issue("error", code, f"{link_id}: {diagnostics}", text, (f"{_TYPE}.item.where(linkId='{link_id}')",))


def _form(response: Json | None, surveys: Mapping[str, Json]) -> Json | None:
    return surveys.get(str((response or {}).get("questionnaire", "")).partition("|")[0])


def _refused(element: str, diagnostics: str, text: str, code: str = "business-rule") -> FhirError:
    path = f"{_TYPE}.{element}" if element else _TYPE
    return unprocessable(f"{path}: {diagnostics}", code=code, text=text, expression=(path,))
