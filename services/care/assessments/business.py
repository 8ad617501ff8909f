"""What a response brings into its own commit: it is scored, and its Observations, risk and next date are written with it (docs/adr/0025).

A response to any other form passes as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.care.assessments.course import SCORED, check_completed, check_course, check_signer
from services.care.assessments.derived import RISK, SID, Assessed, derived, keys_of
from services.care.assessments.due import due_again, none_due
from services.care.assessments.grading import Instruments, grade, instrument_of, rule_of
from services.care.assessments.signing import missing_signatures
from services.care.scoring.instrument import Instrument
from services.fhir.business import (
    Business,
    Change,
    Context,
    Decision,
    Guarded,
    Intent,
    RefusedChange,
    changed,
    created,
)
from services.fhir.outcomes import FhirError

Json = dict[str, Any]
Existing = Mapping[str, tuple[Json, int]]

_OF_THE_VERSION = frozenset({"meta", "issued", "text"})


def assessing(instruments: Instruments) -> Business:
    """The business of care, for these instruments by URL."""

    async def decide(changes: Sequence[Change], _others: Mapping[str, Json], context: Context) -> Decision:
        also: list[Intent] = []
        for number, change in enumerate(changes):
            try:
                also += await _followed(change, instruments, context)
            except FhirError as error:
                raise RefusedChange(error, number) from error
        return Decision(also=tuple(_once_each(also)))

    return decide


def signed_in_turn(instruments: Instruments) -> Guarded:
    """What several persons sign is changed under If-Match only: one who signs must not undo another's signature unseen."""

    def guarded(_type: str, response: Json) -> bool:
        instrument = _instrument(response, instruments)
        return instrument is not None and instrument.signatures is not None

    return guarded


def _once_each(also: Sequence[Intent]) -> Iterator[Intent]:
    """Two responses of one commit may both end the wait for a third: that is said once."""
    seen: set[tuple[str, str]] = set()
    for intent in also:
        if (intent.type, intent.id) not in seen:
            seen.add((intent.type, intent.id))
            yield intent


async def _followed(change: Change, instruments: Instruments, context: Context) -> list[Intent]:
    before, after = change.before, change.after
    instrument = _instrument(before, instruments) or instrument_of(after or {}, instruments)
    if instrument is None:
        return []
    was_scored = before is not None and before["status"] in SCORED | {"entered-in-error"}
    if before is not None and was_scored:
        check_course(before, after, instrument)
    if after is None:
        return []
    check_signer(before, after, context.caller.practitioner)
    existing = await _existing(change.id, instrument, context) if was_scored else {}
    if after["status"] == "entered-in-error":
        return [*_in_error(existing), *await none_due(after, context)]
    if after["status"] not in SCORED:
        return []
    assessed = assess(after, instrument, context)
    is_effective = assessed.status != "preliminary"
    return [*_written(assessed, existing, context), *(await due_again(assessed, context) if is_effective else ())]


def assess(response: Json, instrument: Instrument, context: Context) -> Assessed:
    """Raise 422 for what can't be graded. Until all have signed it is preliminary."""
    rule = rule_of(response, instrument)
    day = check_completed(response, context.at, context.zone)
    signed = not missing_signatures(response, instrument)
    return Assessed(
        instrument=instrument,
        rule=rule,
        graded=grade(response, instrument, rule),
        response=response,
        status="preliminary" if not signed else "amended" if response["status"] == "amended" else "final",
        organization=context.caller.organization,
        assessed=day,
        issued=context.at.astimezone(context.zone).isoformat(timespec="seconds"),
    )


def _instrument(before: Json | None, instruments: Instruments) -> Instrument | None:
    """By which the stored version was scored, whatever the version of the instrument was then."""
    return instruments.get(before.get("questionnaire", "").partition("|")[0]) if before else None


async def _existing(response_id: str, instrument: Instrument, context: Context) -> Existing:
    """What earlier versions of the response have brought, by the codes of the instrument."""
    found = await context.search("Observation", [("derived-from", f"QuestionnaireResponse/{response_id}")])
    own = {_code(resource, instrument): (resource, version) for resource, version in found}
    own.pop("", None)
    risks = await context.search("RiskAssessment", [("identifier", f"{SID}|{response_id}")])
    return own | {RISK: risks[0]} if risks else own


def _code(observation: Json, instrument: Instrument) -> str:
    codings = observation["code"].get("coding", ())
    return next((str(each["code"]) for each in codings if each.get("system") == instrument.system), "")


def _written(assessed: Assessed, existing: Existing, context: Context) -> list[Intent]:
    patient = assessed.response["subject"]["reference"].rpartition("/")[2]
    keys = [*keys_of(assessed.instrument, assessed.rule)]
    ids = {key: existing[key][0]["id"] if key in existing else context.new_id(patient) for key in keys}
    made = derived(assessed, ids)
    written = [created(resource) for key, resource in made.items() if key not in existing]
    written += [
        changed(made[key], version)
        for key, (there, version) in existing.items()
        if key in made and _differs(there, made[key])
    ]
    return [*written, *_in_error({key: each for key, each in existing.items() if key not in made})]


def _in_error(existing: Existing) -> list[Intent]:
    return [
        changed({**resource, "status": "entered-in-error"}, version)
        for resource, version in existing.values()
        if resource["status"] != "entered-in-error"
    ]


def _differs(there: Json, made: Json) -> bool:
    names = (there.keys() | made.keys()) - _OF_THE_VERSION
    return any(there.get(name) != made.get(name) for name in names)
