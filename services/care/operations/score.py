"""QuestionnaireResponse/$score: what would come of a response, by any of its instrument's rules; nothing is stored (docs/instruments.md)."""

from collections.abc import Iterator
from typing import Any

from services.care.assessments.derived import coded
from services.care.assessments.grading import Instruments, grade, instrument_of, rule_of
from services.care.assessments.signing import missing_signatures
from services.care.scoring.instrument import Instrument, Raised, Rule
from services.care.scoring.score import Graded
from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import Inputs, invalid, parameters, read_inputs
from services.fhir.operations.operation import Handler
from services.fhir.outcomes import unprocessable
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service

Json = dict[str, Any]


def scoring(instruments: Instruments) -> Handler:
    async def score(request: FhirRequest, service: Service) -> Answer:
        inputs = read_inputs(request)
        inputs.check_known({"response", "rule"})
        response = await _response(inputs, request, service)
        instrument = instrument_of(response, instruments)
        if instrument is None:
            raise unprocessable(
                "The questionnaire is no instrument that is scored here",
                code="not-supported",
                text="此问卷不是可评分的量表",
                expression=("QuestionnaireResponse.questionnaire",),
            )
        rule = rule_of(response, instrument, inputs.text("rule"))
        graded = grade(response, instrument, rule)
        if not request.id:
            await service.stores.audit_log.record(request.audit("score", 200))
        return parameters(*_told(instrument, rule, graded, response))

    return score


async def _response(inputs: Inputs, request: FhirRequest, service: Service) -> Json:
    given = inputs.resource("response", "QuestionnaireResponse")
    if (given is None) != bool(request.id):
        raise invalid("response", "a QuestionnaireResponse, or the id of one", "须提交一份问卷应答，或在网址中指明")
    return given if given is not None else await _stored(request, service)


async def _stored(request: FhirRequest, service: Service) -> Json:
    stored = await service.stores.read(request.type, request.id)
    status = 404 if stored is None else 410 if stored.is_deleted else 200
    await service.stores.audit_log.record(request.audit("score", status, of=stored))
    return present(stored, request.type).parsed()


def _told(instrument: Instrument, rule: Rule, graded: Graded, response: Json) -> Iterator[Json]:
    yield {"name": "instrument", "valueCanonical": f"{instrument.url}|{instrument.version}"}
    yield {"name": "rule", "valueCode": graded.rule}
    for score in instrument.scores:
        if score.is_shown:
            yield _part("score", score.code, {"name": "value", "valueInteger": graded.scores[score.code]})
    for result in rule.results:
        codings = (coded(result.system, code)["coding"][0] for code in graded.results[result.code])
        yield _part("result", result.code, *({"name": "value", "valueCoding": coding} for coding in codings))
    for result in rule.results:
        if isinstance(result, Raised):
            yield from (
                {"name": "clause", "valueCoding": coded(result.clause_system, each)["coding"][0]}
                for each in graded.clauses
            )
    yield from ({"name": "missing-signature", "valueCode": role} for role in missing_signatures(response, instrument))


def _part(name: str, code: str, *parts: Json) -> Json:
    return {"name": name, "part": [{"name": "code", "valueCode": code}, *parts]}
