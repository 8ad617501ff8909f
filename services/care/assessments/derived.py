"""What follows from a graded response: an Observation of each score and level, and a RiskAssessment where its rule says so.

The answers are the evidence, these are derived: `derivedFrom` names the response, `method` the rule, `effectivePeriod` how long they count.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import msgspec

from services.care.assessments.code_system import CLAUSE, rule_code
from services.care.assessments.signing import assessors_of
from services.care.assessments.validity import last_day
from services.care.scoring.instrument import Highest, Instrument, Named, Raised, Result, Rule, Score
from services.care.scoring.score import Graded
from services.fhir.elements import CANONICAL, concept
from services.fhir.terminology.shipped import shipped_system

Json = dict[str, Any]

SID: Final = f"{CANONICAL}/sid/assessment"
PROFILE: Final = f"{CANONICAL}/StructureDefinition/yiyang-observation"
_UCUM: Final = "http://unitsofmeasure.org"
_LOINC: Final = "http://loinc.org"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_PROBABILITY: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
_PERFORMERS: Final = ("Practitioner/", "PractitionerRole/", "Organization/", "CareTeam/", "Patient/", "RelatedPerson/")


class Assessed(msgspec.Struct, frozen=True):
    """A response that can be graded, with what its Observations say beside the scores."""

    instrument: Instrument
    rule: Rule
    graded: Graded
    response: Json
    status: str
    organization: str
    assessed: date
    issued: str

    @property
    def last_day(self) -> date:
        undecided = [each for each in self.rule.results if isinstance(each, Highest) and not self.codes(each)]
        return last_day(self.instrument, self.assessed, undecided[0].again_after_days if undecided else None)

    @property
    def reference(self) -> Json:
        return {"reference": f"QuestionnaireResponse/{self.response['id']}"}

    def codes(self, result: Result) -> tuple[str, ...]:
        return self.graded.results[result.code]


def derived(assessed: Assessed, ids: Mapping[str, str]) -> dict[str, Json]:
    """By the code of the score, the result or the risk, the resource; `ids` are those that it has, by the same codes."""
    made = {score.code: _of_score(assessed, score) for score in assessed.instrument.scores if score.is_shown}
    made |= {result.code: _of_result(assessed, result) for result in assessed.rule.results if not result.is_of}
    made = {code: {**resource, "id": ids[code]} for code, resource in made.items()}
    if risk := _risk(assessed, made):
        made[RISK] = {**risk, "id": ids[RISK]}
    return made


RISK: Final = "risk"


def keys_of(instrument: Instrument, rule: Rule) -> Iterator[str]:
    """The codes of all that is derived under a rule."""
    yield from (score.code for score in instrument.scores if score.is_shown)
    yield from (result.code for result in rule.results if not result.is_of)
    if rule.risk:
        yield RISK


def _of_score(assessed: Assessed, score: Score) -> Json:
    quantity = {"value": assessed.graded.scores[score.code], "unit": "分", "system": _UCUM, "code": "{score}"}
    told = [result for result in assessed.rule.results if result.is_of == score.code]
    parts = [
        {
            "code": concept(assessed.instrument.system, result.code, result.zh),
            "valueCodeableConcept": _value(assessed, result),
        }
        for result in told
    ]
    return _observation(assessed, score.code, score, {"valueQuantity": quantity}, parts)


def _of_result(assessed: Assessed, result: Result) -> Json:
    clauses = assessed.graded.clauses if isinstance(result, Raised) else ()
    parts = [
        {
            "code": concept(assessed.instrument.system, CLAUSE.code, CLAUSE.zh),
            "valueCodeableConcept": coded(result.clause_system, clause),
        }
        for clause in clauses
        if isinstance(result, Raised)
    ]
    return _observation(assessed, result.code, result, {"valueCodeableConcept": _value(assessed, result)}, parts)


def _observation(assessed: Assessed, code: str, words: Named, value: Json, parts: list[Json]) -> Json:
    response, instrument = assessed.response, assessed.instrument
    loinc = [{"system": _LOINC, "code": instrument.loinc[code]}] if code in instrument.loinc else []
    named = concept(instrument.system, code, words.zh)
    return {
        "resourceType": "Observation",
        "meta": {"profile": [PROFILE], **_kept(response)},
        "status": assessed.status,
        "category": [{"coding": [{"system": _CATEGORY, "code": "survey", "display": "Survey"}]}],
        "code": {"coding": [*named["coding"], *loinc]},
        "subject": response["subject"],
        **({"encounter": response["encounter"]} if "encounter" in response else {}),
        "effectivePeriod": _period(assessed),
        "issued": assessed.issued,
        "performer": _performers(assessed),
        **value,
        "method": _method(assessed),
        "derivedFrom": [assessed.reference],
        **({"component": parts} if parts else {}),
    }


def _risk(assessed: Assessed, made: Mapping[str, Json]) -> Json | None:
    risk = assessed.rule.risk
    if risk is None:
        return None
    (code,) = assessed.graded.results[risk.of]
    likely = risk.likely[code]
    people = [who for who in assessors_of(assessed.response) if who.get("reference", "").startswith("Practitioner")]
    return {
        "resourceType": "RiskAssessment",
        **({"meta": kept} if (kept := _kept(assessed.response)) else {}),
        "identifier": [{"system": SID, "value": assessed.response["id"]}],
        "status": assessed.status,
        "method": _method(assessed),
        "code": {"coding": [{"system": assessed.instrument.system, "code": risk.of}], "text": risk.zh},
        "subject": assessed.response["subject"],
        "occurrencePeriod": _period(assessed),
        **({"performer": people[0]} if people else {}),
        "basis": [assessed.reference, {"reference": f"Observation/{made[risk.of]['id']}"}],
        "prediction": [
            {
                "outcome": {"text": f"{risk.zh} · {risk.en}"},
                "qualitativeRisk": {"coding": [{"system": _PROBABILITY, "code": likely}]},
            }
        ],
    }


def _value(assessed: Assessed, result: Result) -> Json:
    """One code; several that tie, and none, are told in words."""
    codes = assessed.codes(result)
    if len(codes) == 1:
        return coded(result.system, codes[0])
    assert isinstance(result, Highest)  # noqa: S101 - the only kind without exactly one code
    if not codes:
        return {"text": result.none.zh}
    return {"text": "、".join(coded(result.system, code)["text"] for code in codes) + f"（{result.tie.zh}）"}


def coded(system: str, code: str) -> Json:
    """A CodeableConcept of one of the platform's own systems."""
    url = f"{CANONICAL}/CodeSystem/{system}"
    found = shipped_system(url)
    known = found.get(code) if found else None
    display = known.display if known else code
    return concept(url, code, display) | {"text": display}


def _method(assessed: Assessed) -> Json:
    return concept(assessed.instrument.system, rule_code(assessed.rule.version), assessed.rule.zh)


def _period(assessed: Assessed) -> Json:
    return {"start": assessed.response["authored"], "end": assessed.last_day.isoformat()}


def _performers(assessed: Assessed) -> list[Json]:
    """Who assessed, and for which institution."""
    people = [who for who in assessors_of(assessed.response) if who.get("reference", "").startswith(_PERFORMERS)]
    own = {"reference": f"Organization/{assessed.organization}"}
    return [*people, *([own] if own not in people else [])]


def _kept(response: Json) -> Json:
    """Where it comes from and who may see it, as the response says."""
    given = response.get("meta", {})
    return {name: given[name] for name in ("source", "security") if name in given}
