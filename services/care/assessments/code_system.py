"""The code system of an instrument: its items with their answers, its scores, its results and its rules.

`make docs` writes it among the platform's terminologies, which every service has: http://hl7.org/fhir/R4/codesystem.html
"""

from collections.abc import Iterator
from typing import Any, Final

from services.care.assessments.answers import answer_code
from services.care.scoring.instrument import SURENESS, Instrument, Named, Option, Raised
from services.fhir.elements import CANONICAL

Json = dict[str, Any]

CLAUSE: Final = Option(code="clause", zh="等级变更条款", en="Clause that changes the level")
"""What a component of a final level says: a clause that fired."""


def code_system(instrument: Instrument) -> Json:
    concepts = list(_concepts(instrument))
    return {
        "resourceType": "CodeSystem",
        "id": instrument.name,
        "language": "zh-CN",
        "url": instrument.system,
        "version": instrument.version,
        "name": "".join(part.capitalize() for part in instrument.name.split("-")),
        "title": f"{instrument.zh} · {instrument.en}",
        "status": "active",
        "experimental": False,
        "publisher": "医养 Yiyang",
        "description": f"{instrument.source}. Written by `make docs` from services/care/definitions/{instrument.name}.json.",
        "caseSensitive": True,
        "valueSet": f"{CANONICAL}/ValueSet/{instrument.name}",
        "content": "complete",
        "count": len(concepts),
        "property": [_CONFIDENCE],
        "concept": concepts,
    }


def rule_code(version: str) -> str:
    return f"rule-{version}"


def _concepts(instrument: Instrument) -> Iterator[Json]:
    """A group and its score are one concept; so are results of the same code under several rules."""
    seen: set[str] = set()
    for code, words, confidence in _words(instrument):
        if code not in seen:
            seen.add(code)
            yield _concept(code, words, confidence)


def _words(instrument: Instrument) -> Iterator[tuple[str, Named, str]]:
    sure = instrument.confidence
    for group in instrument.groups:
        yield group.link_id, group, sure
        for item in group.items:
            unsure = max(sure, instrument.wording, item.confidence, key=SURENESS.index)
            yield item.link_id, item, unsure
            for option in instrument.options[item.link_id].values():
                yield answer_code(item.link_id, option.key), option, unsure
    yield from ((score.code, score, sure) for score in instrument.scores)
    for rule in instrument.rules:
        yield rule_code(rule.version), rule, rule.confidence
        for result in rule.results:
            yield result.code, result, sure
            if isinstance(result, Raised):
                yield CLAUSE.code, CLAUSE, sure


def _concept(code: str, words: Named, confidence: str) -> Json:
    marked = {"property": [{"code": "confidence", "valueCode": confidence}]} if confidence != "H" else {}
    return {"code": code, "display": words.zh, "designation": [{"language": "en", "value": words.en}], **marked}


_CONFIDENCE: Final = {
    "code": "confidence",
    "uri": f"{CANONICAL}/CodeSystem/code-properties#confidence",
    "description": "How sure this line is: H read in a public source, M+ well known, M consistent with what was read, L to be verified. H where nothing is said.",
    "type": "code",
}
