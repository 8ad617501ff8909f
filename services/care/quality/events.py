"""Events of risk on record, counted for the items of an assessment that ask for them: GB/T 42195-2022, A.2.14

http://hl7.org/fhir/R4/adverseevent.html
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from services.care.assessments.answers import answers_of
from services.care.assessments.grading import Instruments, instrument_of
from services.care.scoring.instrument import Answer, Instrument
from services.fhir.business import Change, Context
from services.fhir.outcomes import FhirError, Issue
from services.fhir.search.dates import parse_range

Json = dict[str, Any]

SCORED = frozenset({"completed", "amended"})


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`items` are linkIds of the questionnaire → the code of the events that they ask for, of the last `days`."""

    questionnaire: str
    days: int
    system: str
    items: dict[str, str]


@cache
def counted() -> Counted:
    return msgspec.json.decode(files(__package__).joinpath("counted-events.json").read_bytes(), type=Counted)


def asked(patient: str, until: datetime) -> list[tuple[str, str]]:
    """The search for the events of a patient (`Patient/id`) that count at that moment."""
    since = until - timedelta(days=counted().days)
    dates = [("date", f"ge{since.isoformat(timespec='seconds')}"), ("date", f"le{until.isoformat(timespec='seconds')}")]
    codes = ",".join(f"{counted().system}|{code}" for code in sorted({*counted().items.values()}))
    return [("subject", patient), ("event", codes), ("actuality", "actual"), *dates]


def numbers(events: Iterable[Json]) -> Mapping[str, int]:
    """By linkId, how many there were."""
    codes = [
        c.get("code")
        for each in events
        for c in each.get("event", {}).get("coding", ())
        if c.get("system") == counted().system
    ]
    return {link_id: codes.count(code) for link_id, code in counted().items.items()}


def moment_of(response: Json, zone: tzinfo) -> datetime:
    """The end of the day, or the instant, of the assessment."""
    return parse_range(response["authored"], zone)[1].astimezone(zone)


async def check_events(change: Change, instruments: Instruments, context: Context) -> None:
    """An assessment that counts fewer events than are on record is refused, with each item at fault: the level could come out too low.

    How many they are is not said: not all need be in sight of who assesses.
    """
    after = change.after
    if after is None or after.get("status") not in SCORED:
        return
    instrument = instrument_of(after, instruments)
    if instrument is None or instrument.url != counted().questionnaire:
        return
    patient = str(after.get("subject", {}).get("reference", ""))
    found = await context.search("AdverseEvent", asked(patient, moment_of(after, context.zone)))
    answers = answers_of(after, instrument)
    known = numbers(event for event, _ in found)
    short = [
        i for i, n in known.items() if i in answers and _told(answers[i], i, instrument) < min(n, _most(i, instrument))
    ]
    if short:
        raise FhirError(422, tuple(_issue(link_id, instrument) for link_id in short))


def answer_for(number: int, link_id: str, instrument: Instrument) -> Answer:
    """The option of so many, the last where there is none."""
    options = instrument.options[link_id]
    if not options:
        return number
    at_most = [(option.value or 0, key) for key, option in options.items() if (option.value or 0) <= number]
    return max(at_most)[1]


def _told(answer: Answer, link_id: str, instrument: Instrument) -> int:
    return answer if isinstance(answer, int) else int(instrument.options[link_id][answer].value or 0)


def _most(link_id: str, instrument: Instrument) -> int:
    """More than the last option can't be told."""
    options = instrument.options[link_id]
    return max((int(option.value or 0) for option in options.values()), default=10**6)


def _issue(link_id: str, instrument: Instrument) -> Issue:
    days = counted().days
    return Issue(
        "error",
        "business-rule",
        f"{link_id}: more such events are on record in the {days} days before",
        f"{instrument.items[link_id].zh}：平台在此前{days}天内的记录多于所填次数，请核实",
        (f"QuestionnaireResponse.repeat(item).where(linkId='{link_id}')",),
    )
