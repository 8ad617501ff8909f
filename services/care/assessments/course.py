"""The course of a response that is scored: filled in, signed, completed, amended, entered in error; nothing is taken back silently.

http://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html
"""

from datetime import date, datetime, tzinfo
from typing import Any, Final

from services.care.assessments.signing import Role, missing_signatures, signatures_of, signer_of
from services.care.scoring.instrument import Instrument
from services.fhir.outcomes import FhirError, unprocessable

Json = dict[str, Any]

SCORED: Final = frozenset({"completed", "amended"})
_TYPE: Final = "QuestionnaireResponse"
_ROLES: Final[dict[Role, str]] = {"assessor": "评估员", "informant": "信息提供者"}


def check_course(before: Json, after: Json | None, instrument: Instrument) -> None:
    """`before` has been scored, or was entered in error."""
    if after is None:
        raise _refused(
            "", "an assessment is not deleted but entered-in-error", "评估不可删除，如有误请标记为 entered-in-error"
        )
    if before["status"] == "entered-in-error":
        raise _refused("status", "what was entered in error stays so", "已标记为错误录入的评估不可再修改")
    if after["status"] == "entered-in-error":
        return
    if after["status"] not in SCORED or (before["status"], after["status"]) == ("amended", "completed"):
        raise _refused("status", "it can be amended or entered-in-error", "已完成的评估只能修订或标记为错误录入")
    for element in ("questionnaire", "subject"):
        if before.get(element) != after.get(element):
            raise _refused(element, f"another {element} is another assessment", "不可改为另一量表或另一位老人的评估")
    was_signed = not missing_signatures(before, instrument)
    has_changed = any(before.get(each) != after.get(each) for each in ("item", "authored"))
    if has_changed and instrument.signatures and _signed_before(before, after):
        raise _refused("extension", "the signatures were made of other answers", "答案已变更，须重新签署")
    if has_changed and was_signed and after["status"] != "amended":
        raise _refused("status", "answers that count are changed by an amendment", "评估已生效，修改须标记为 amended")
    if was_signed or after["status"] == "amended":
        _check_signed(after, instrument)


def check_completed(response: Json, now: datetime, zone: tzinfo) -> date:
    """The day of the assessment. It is of one patient, and not of a day to come."""
    subject = response.get("subject", {}).get("reference", "")
    if not subject.rpartition("Patient/")[2] or "Patient/" not in subject:
        raise _refused("subject", "an assessment is of one Patient", "须注明被评估的老人", code="required")
    day = _day(response.get("authored", ""))
    if day is None:
        raise _refused("authored", "the day of the assessment is needed", "须注明评估日期", code="required")
    if day > now.astimezone(zone).date():
        raise _refused("authored", "the day of the assessment has not come", "评估日期不能晚于今天", code="value")
    return day


def check_signer(before: Json | None, after: Json, person: str | None) -> None:
    """Whoever is logged in signs for nobody else; a system vouches for the persons whom it names."""
    if person is None:
        return
    known = [*map(signer_of, signatures_of(before or {}))]
    for signature in signatures_of(after):
        signer = signer_of(signature)
        if signer not in known and signer.rpartition("/")[2] != person.rpartition("/")[2]:
            raise _refused("extension", "nobody signs for another person", "不可代他人签署", code="forbidden")


def _check_signed(response: Json, instrument: Instrument) -> None:
    if missing := missing_signatures(response, instrument):
        names = "、".join(_ROLES[role] for role in missing)
        raise _refused(
            "extension", f"a signature is missing: {', '.join(missing)}", f"缺少签署：{names}", code="required"
        )


def _signed_before(before: Json, after: Json) -> bool:
    old = signatures_of(before)
    return any(each in old for each in signatures_of(after))


def _day(authored: str) -> date | None:
    """In the zone in which it was written."""
    try:
        return date.fromisoformat(authored[:10])
    except ValueError:
        return None


def _refused(element: str, diagnostics: str, text: str, code: str = "business-rule") -> FhirError:
    path = f"{_TYPE}.{element}" if element else _TYPE
    return unprocessable(f"{path}: {diagnostics}", code=code, text=text, expression=(path,))
