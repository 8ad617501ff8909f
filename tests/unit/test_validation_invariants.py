"""The invariants of R4, with fhirpathpy as the oracle: http://hl7.org/fhir/R4/conformance-rules.html#constraints"""

import json
import random
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from services.fhir.definitions import (
    Invariant,
    invariant_places,
    invariant_text,
    invariants,
    property_of,
    type_definition,
)
from services.fhir.fhirpath.compile import compile_node
from services.fhir.fhirpath.grammar import Empty, Literal, parse_expression
from services.fhir.fhirpath.simplify import Shape, simplify
from services.fhir.fhirpath.values import truth
from services.fhir.outcomes import FhirError
from services.fhir.validation import validate
from services.fhir.validation.by_hand import BY_HAND
from services.fhir.validation.invariants import ELSEWHERE
from tests.minimal import property_name, value_of

Json = dict[str, Any]

NOT_IN_THE_ORACLE = re.compile(r"hasValue|resolve|low <= high|when in")
OF_TEXT = re.compile(r"matches|contains|startsWith")
NOT_FILLED = frozenset({"contained", "text", "meta"})


def stated() -> Iterator[tuple[str, Invariant]]:
    for place in invariant_places():
        yield from ((place, each) for each in invariants(place) if each.key not in ELSEWHERE)


@cache
def type_at(place: str) -> str:
    """Give the type that the values at a place have: the place itself, or that of the element."""
    if place == "DomainResource":
        return "Basic"
    try:
        return type_definition(place).name
    except KeyError:
        parent, _, name = place.rpartition(".")
        found = property_of(parent, name)
        return found[1] if found else type_definition(parent).elements[name].types[-1]


def test_every_invariant_is_compiled_or_checked_elsewhere() -> None:
    for place, each in stated():
        compile_node(parse_expression(each.expression), type_at(place))
    named = {each.key for place in invariant_places() for each in invariants(place)}
    assert named >= ELSEWHERE


def test_what_differs_from_r4_says_why() -> None:
    reasons = {each.key for _, each in stated() if each.reason}
    assert reasons == {"con-3", "ctm-1", "md-1", "que-7", "ras-2"}


def random_value(chance: random.Random, type_: str, words: list[str]) -> Json:
    """An object with about half of its elements, its texts from the words of the invariant."""
    made: Json = {"resourceType": type_} if type_definition(type_).kind == "resource" else {}
    for element in type_definition(type_).elements.values():
        if element.name not in NOT_FILLED and chance.random() < 0.6:
            kind = chance.choice(element.types)
            value = value_of(element, kind)
            if words and kind in ("code", "string", "uri", "canonical") and chance.random() < 0.7:
                value = [chance.choice(words)] if element.max != 1 else chance.choice(words)
            made[property_name(element, kind)] = (
                value * 2 if isinstance(value, list) and chance.random() < 0.3 else value
            )
    return made


def samples(place: str, expression: str) -> list[Json]:
    chance = random.Random(place + expression)  # noqa: S311 - repeatable
    words = re.findall(r"'([\w-]+)'", expression)
    return [random_value(chance, type_at(place), words) for _ in range(12)]


def oracle(value: Json, place: str, expression: str) -> list[Any]:
    plain = json.loads(json.dumps(value), parse_float=float)
    base = expression if "resourceType" in value else {"base": place, "expression": expression}
    variables = {"resource": plain, "rootResource": plain, "context": plain}
    with redirect_stdout(StringIO()):  # trace() writes
        found: list[Any] = fhirpathpy.evaluate(plain, base, variables, models["r4"])
    return found


@pytest.mark.parametrize("place", sorted({place for place, _ in stated() if place == type_at(place)}))
def test_every_invariant_says_what_fhirpath_says(place: str) -> None:
    for each in (each for at, each in stated() if at == place):
        evaluate = compile_node(parse_expression(each.expression), place)
        for value in samples(place, each.expression):
            ours = evaluate(value)
            assert shaped(each, place, value) is truth(ours), (each.key, value)
            if not NOT_IN_THE_ORACLE.search(each.expression):
                theirs = oracle(value, place, each.expression)
                # on no text at all R4's own validator answers no, where FHIRPath answers nothing
                assert ours == theirs or (not theirs and OF_TEXT.search(each.expression)), (each.key, value)


def shaped(invariant: Invariant, place: str, value: Json) -> bool | None:
    """Evaluate what the property names leave of the expression."""
    found = {name: property_of(place, name) for name in value if name != "resourceType"}
    elements = frozenset(each[0].name for each in found.values() if each)
    single = frozenset(each[0].name for each in found.values() if each and each[0].max == 1 and not each[0].choice)
    primitive = frozenset(name for name in single if value[name].__class__ not in (dict, list))
    rest = simplify(parse_expression(invariant.expression), Shape(elements, primitive, single - primitive))
    match rest:
        case Empty():
            return None
        case Literal(known):
            return bool(known)
    return truth(compile_node(rest, place)(value))


@pytest.mark.parametrize(("place", "key"), BY_HAND)
def test_what_is_written_by_hand_says_what_r4s_expression_says(place: str, key: str) -> None:
    chance = random.Random(key)  # noqa: S311 - repeatable
    (expression,) = (each.expression for each in invariants(place) if each.key == key)
    evaluate = compile_node(parse_expression(expression), place)
    answers = set()
    for _ in range(60):
        value = RANDOM[place](chance)
        holds = truth(evaluate(value))
        assert (not BY_HAND[place, key](value)) is holds, value
        answers.add(holds)
    assert answers == {True, False}


def random_bundle(chance: random.Random) -> Json:
    kind = chance.choice(["batch", "transaction-response", "history", "collection"])
    entry: Json = {"request": {}, "response": {}, "fullUrl": "", "resource": {}}

    def random_entry() -> Json:
        made = {name: value for name, value in entry.items() if chance.random() < 0.5}
        if "fullUrl" in made:
            made["fullUrl"] = chance.choice(["urn:a", "urn:b"])
        if "resource" in made:
            made["resource"] = {"meta": {"versionId": chance.choice("12")}} if chance.random() < 0.5 else {"id": "x"}
        return made

    same = random_entry()
    several = [same if chance.random() < 0.5 else random_entry() for _ in range(chance.randint(1, 3))]
    return {"resourceType": "Bundle", "type": kind, "entry": several}


def random_observation(chance: random.Random) -> Json:
    def concept() -> Json:
        return {"coding": [{"system": "s", "code": chance.choice("abcd")} for _ in range(chance.randint(1, 2))]}

    components = [{"code": concept()} for _ in range(chance.randint(1, 2))]
    return {"resourceType": "Observation", "valueString": "x", "code": concept(), "component": components}


def random_guide(chance: random.Random) -> Json:
    versions = [chance.choice(["4.0.0", "4.0.1"]) for _ in range(chance.randint(1, 2))]
    return {"resourceType": "ImplementationGuide", "fhirVersion": versions, "definition": random_definition(chance)}


def random_definition(chance: random.Random) -> Json:
    resource = {"groupingId": chance.choice("ab"), "fhirVersion": [chance.choice(["4.0.0", "4.0.1"])]}
    return {"grouping": [{"id": "a"}, {"id": chance.choice("bc")}], "resource": [resource, {"name": "x"}]}


RANDOM = {
    "Bundle": random_bundle,
    "Observation": random_observation,
    "ImplementationGuide": random_guide,
    "ImplementationGuide.definition": random_definition,
}


def broken(resource: Json) -> list[tuple[str, str]]:
    try:
        validate(resource)
    except FhirError as error:
        return [(issue.diagnostics.split(": ")[1], issue.expression[0]) for issue in error.issues]
    return []


OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
TASK: Json = {"resourceType": "Task", "status": "requested", "intent": "order"}
BUNDLE: Json = {"resourceType": "Bundle", "type": "collection"}
BASIC: Json = {"resourceType": "Basic", "code": {"text": "x"}}
APPOINTMENT: Json = {
    "resourceType": "Appointment",
    "status": "proposed",
    "participant": [{"actor": {"display": "x"}, "status": "accepted"}],
}
NOTE: Json = {
    "resourceType": "Composition",
    "status": "final",
    "type": {"text": "x"},
    "date": "2024",
    "author": [{"display": "x"}],
    "title": "x",
}
DEFINITION: Json = {
    "resourceType": "StructureDefinition", "url": "http://a.example/b", "name": "B", "status": "active", "kind": "resource", "abstract": False,
    "type": "Basic", "derivation": "constraint", "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Basic",
    "differential": {"element": [{"id": "Basic", "path": "Basic"}, {"id": "Basic.code", "path": "Basic.code"}]},
}  # fmt: skip
ITEM: Json = {"linkId": "1", "type": "string"}
QUESTIONNAIRE: Json = {"resourceType": "Questionnaire", "status": "draft"}
EXACT: Json = {"value": 1, "system": "http://unitsofmeasure.org", "code": "mg"}


@pytest.mark.parametrize(
    ("resource", "elements", "expected"),
    [
        (OBSERVATION, {"valueString": "x", "dataAbsentReason": {"text": "x"}}, ("obs-6", "Observation")),
        (OBSERVATION, {"_valueString": {"extension": [{"url": "u", "valueCode": "unknown"}]}, "dataAbsentReason": {"text": "x"}}, ("obs-6", "Observation")),
        (OBSERVATION, {"valueString": "x", "code": {"coding": [{"code": "a"}]}, "component": [{"code": {"coding": [{"code": "a"}]}}]}, ("obs-7", "Observation.component[0].code")),
        (OBSERVATION, {"component": [{"code": {"text": "x"}, "referenceRange": [{"appliesTo": [{"text": "x"}]}]}]}, ("obs-3", "Observation.component[0].referenceRange[0]")),
        (OBSERVATION, {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]}, ("sqty-1", "Observation.referenceRange[0].low")),
        (OBSERVATION, {"valueQuantity": {"value": 1, "code": "mg"}}, ("qty-3", "Observation.value")),
        (OBSERVATION, {"effectivePeriod": {"start": "2024-05-02", "end": "2024-05-01"}}, ("per-1", "Observation.effective")),
        (OBSERVATION, {"effectivePeriod": {"start": "2024-05-02T01:00:00+08:00", "end": "2024-05-01T16:00:00Z"}}, ("per-1", "Observation.effective")),
        (OBSERVATION, {"valueRange": {"low": {**EXACT, "value": 2}, "high": EXACT}}, ("rng-2", "Observation.value")),
        (OBSERVATION, {"valueRatio": {"numerator": EXACT}}, ("rat-1", "Observation.value")),
        (OBSERVATION, {"code": {"id": "x"}}, ("ele-1", "Observation.code")),
        (OBSERVATION, {"device": {"reference": "#cuff"}}, ("ref-1", "Observation.device.reference")),
        (OBSERVATION, {"contained": [{"resourceType": "Device", "id": "cuff"}]}, ("dom-3", "Observation.contained[0]")),
        (OBSERVATION, {"contained": [{"resourceType": "Device", "meta": {"versionId": "1"}}]}, ("dom-4", "Observation.contained[0].meta")),
        (OBSERVATION, {"contained": [{"resourceType": "Device", "meta": {"security": [{"code": "R"}]}}]}, ("dom-5", "Observation.contained[0].meta.security")),
        (TASK, {"authoredOn": "2024-05-02", "lastModified": "2024-05-01"}, ("inv-1", "Task")),
        (TASK, {"input": [{"type": {"text": "x"}, "valueAge": {"value": -1, "system": "http://unitsofmeasure.org", "code": "a"}}]}, ("age-1", "Task.input[0].value")),
        (BUNDLE, {"type": "document", "identifier": {"system": "s", "value": "v"}, "entry": [{"resource": NOTE}]}, ("bdl-10", "Bundle")),
        (BUNDLE, {"total": 1}, ("bdl-1", "Bundle")),
        (BUNDLE, {"entry": [{"fullUrl": "urn:x", "resource": BASIC, "request": {"method": "PUT", "url": "a"}}]}, ("bdl-3", "Bundle.entry[0].request")),
        (BUNDLE, {"type": "batch", "entry": [{"resource": BASIC}]}, ("bdl-3", "Bundle.entry[0].request")),
        (BUNDLE, {"entry": [{"link": [{"relation": "a", "url": "b"}]}]}, ("bdl-5", "Bundle.entry[0]")),
        (BUNDLE, {"entry": [{"fullUrl": "http://a/Basic/1/_history/1", "resource": BASIC}]}, ("bdl-8", "Bundle.entry[0]")),
        (BUNDLE, {"entry": [{"fullUrl": "urn:x", "resource": BASIC}, {"fullUrl": "urn:x", "resource": BASIC}]}, ("bdl-7", "Bundle.entry[1].fullUrl")),
        (BUNDLE, {"entry": [{"resource": {**BASIC, "subject": {"reference": "#x"}}}]}, ("ref-1", "Bundle.entry[0].resource.subject.reference")),
        (APPOINTMENT, {"status": "booked"}, ("app-3", "Appointment")),
        (APPOINTMENT, {"cancelationReason": {"text": "x"}}, ("app-4", "Appointment")),
        (APPOINTMENT, {"participant": [{"status": "accepted"}]}, ("app-1", "Appointment.participant[0]")),
        ({"resourceType": "Organization"}, {"active": True}, ("org-1", "Organization")),
        ({"resourceType": "Organization", "name": "x"}, {"address": [{"use": "work"}, {"use": "home"}]}, ("org-2", "Organization.address[1]")),
        ({"resourceType": "Patient"}, {"contact": [{"gender": "male"}]}, ("pat-1", "Patient.contact[0]")),
        ({"resourceType": "Patient"}, {"telecom": [{"value": "1"}]}, ("cpt-2", "Patient.telecom[0]")),
        ({"resourceType": "Patient"}, {"photo": [{"data": "aGVsbG8="}]}, ("att-1", "Patient.photo[0]")),
        ({"resourceType": "CareTeam"}, {"participant": [{"member": {"reference": "Patient/1"}, "onBehalfOf": {"display": "x"}}]}, ("ctm-1", "CareTeam.participant[0]")),
        (NOTE, {"section": [{"title": "x"}]}, ("cmp-1", "Composition.section[0]")),
        (QUESTIONNAIRE, {"item": [ITEM, ITEM]}, ("que-2", "Questionnaire")),
        (QUESTIONNAIRE, {"item": [{**ITEM, "enableWhen": [{"question": "2", "operator": "exists", "answerString": "x"}]}]}, ("que-7", "Questionnaire.item[0].enableWhen[0]")),
        (DEFINITION, {"differential": {"element": [{"id": "Basic", "path": "Basic"}, {"id": "Other.code", "path": "Other.code"}]}}, ("sdf-8a", "StructureDefinition")),
        (DEFINITION, {"differential": {"element": [{"id": "Basic", "path": "Basic", "max": "x"}]}}, ("eld-3", "StructureDefinition.differential.element[0].max")),
        (DEFINITION, {"differential": {"element": [{"id": "Basic", "path": "Basic", "min": 2, "max": "1"}]}}, ("eld-2", "StructureDefinition.differential.element[0]")),
        ({"resourceType": "RiskAssessment", "status": "final", "subject": {"display": "x"}}, {"prediction": [{"probabilityDecimal": Decimal("100.5")}]}, ("ras-2", "RiskAssessment.prediction[0]")),
        ({"resourceType": "RiskAssessment", "status": "final", "subject": {"display": "x"}}, {"prediction": [{"probabilityRange": {"low": {"value": 1}}}]}, ("ras-1", "RiskAssessment.prediction[0].probability")),
        ({"resourceType": "Linkage", "item": [{"type": "source", "resource": {"display": "x"}}]}, {}, ("lnk-1", "Linkage")),
        ({"resourceType": "ValueSet", "status": "draft"}, {"expansion": {"timestamp": "2024", "contains": [{"display": "x"}]}}, ("vsd-9", "ValueSet.expansion.contains[0]")),
        ({"resourceType": "Parameters"}, {"parameter": [{"name": "x"}]}, ("inv-1", "Parameters.parameter[0]")),
        ({"resourceType": "MedicationRequest", "status": "draft", "intent": "plan", "medicationReference": {"display": "x"}, "subject": {"display": "x"}}, {"dosageInstruction": [{"timing": {"repeat": {"period": 1}}}]}, ("tim-2", "MedicationRequest.dosageInstruction[0].timing.repeat")),
    ],
)  # fmt: skip
def test_a_broken_invariant_is_named_where_it_is(resource: Json, elements: Json, expected: tuple[str, str]) -> None:
    assert broken({**resource, **elements}) == [expected]


@pytest.mark.parametrize(
    "resource",
    [
        OBSERVATION, TASK, BUNDLE, APPOINTMENT, DEFINITION,
        OBSERVATION | {"effectivePeriod": {"start": "2024-05-02", "end": "2024-05-02T00:00:00-05:00"}},
        OBSERVATION | {"effectivePeriod": {"start": "2024-05", "end": "2024-05-01"}},
        OBSERVATION | {"effectivePeriod": {"start": "2024-05-01T10:00:00+08:00", "end": "2024-05-01T10:00:00.5+08:00"}},
        OBSERVATION | {"valueRange": {"low": EXACT | {"value": 2}, "high": EXACT | {"code": "g"}}},
        OBSERVATION | {"valueQuantity": {"value": 1, "comparator": "<"}},
        OBSERVATION | {"contained": [{"resourceType": "Device", "id": "d", "patient": {"reference": "#p"}}, {"resourceType": "Patient", "id": "p"}], "device": {"reference": "#d"}},
        OBSERVATION | {"contained": [{"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}], "recorded": "2024-05-01T10:00:00Z", "agent": [{"who": {"display": "x"}}]}]},
        OBSERVATION | {"contained": [{"resourceType": "Basic", "id": "b", "code": {"text": "x"}}], "extension": [{"url": "u", "valueUri": "#b"}]},
        DEFINITION | {"differential": {"element": [{"id": "Basic", "path": "Basic", "min": 1, "max": "1"}]}},
        QUESTIONNAIRE | {"item": [ITEM | {"enableWhen": [{"question": "2", "operator": "exists", "answerBoolean": True}]}]},
        {"resourceType": "CareTeam", "participant": [{"member": {"reference": "Practitioner/1"}, "onBehalfOf": {"display": "x"}}]},
        {"resourceType": "CareTeam", "participant": [{"member": {"display": "somebody"}, "onBehalfOf": {"display": "x"}}]},
        BUNDLE | {"type": "history", "entry": [{"fullUrl": "urn:x", "request": {"method": "DELETE", "url": "a"}, "response": {"status": "204"}}] * 2},
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_what_keeps_every_invariant_is_accepted(resource: Json) -> None:
    assert broken(resource) == []


def test_a_reference_to_a_contained_resource_of_the_wrong_type_is_refused() -> None:
    contained = [{"resourceType": "Patient", "id": "p"}]
    refused = broken(OBSERVATION | {"contained": contained, "device": {"reference": "#p"}})
    assert refused == [("The reference leads to a type that is not allowed here", "Observation.device.reference")]


def test_many_local_references_hide_nothing() -> None:
    contained = [{"resourceType": "Device", "id": "d"}]
    performers = [{"reference": "#d"} for _ in range(300)]
    wrong = broken(OBSERVATION | {"contained": contained, "focus": performers, "issued": "2024"})
    assert wrong == [("Not an instant with seconds and zone", "Observation.issued")]


def test_many_of_anything_are_checked_in_their_time() -> None:
    contained = [{"resourceType": "Basic", "id": f"b{number}", "code": {"text": "x"}} for number in range(3000)]
    links = [{"url": "u", "valueUri": f"#b{number}"} for number in range(3000)]
    assert broken(OBSERVATION | {"contained": contained, "extension": links}) == []
    grouping = [{"id": str(number), "name": "x"} for number in range(3000)]
    resources = [{"reference": {"display": "x"}, "groupingId": str(number)} for number in range(3000)]
    guide = {
        "resourceType": "ImplementationGuide",
        "url": "http://a.example",
        "name": "A",
        "status": "draft",
        "packageId": "a",
        "fhirVersion": ["4.0.1"],
    }
    assert broken(guide | {"definition": {"grouping": grouping, "resource": resources}}) == []
    elements = [{"id": f"Basic.a{number}", "path": f"Basic.a{number}"} for number in range(3000)]
    assert broken(DEFINITION | {"differential": {"element": [{"id": "Basic", "path": "Basic"}, *elements]}}) == []


def test_rules_about_values_wait_for_a_right_structure() -> None:
    found = broken(OBSERVATION | {"effectivePeriod": {"start": ["2024"], "end": {"x": 1}}})
    assert {path for _, path in found} == {"Observation.effective.start", "Observation.effective.end"}


def test_a_rule_is_told_in_chinese_and_english() -> None:
    with pytest.raises(FhirError) as caught:
        validate(OBSERVATION | {"valueString": "x", "dataAbsentReason": {"text": "x"}})
    (issue,) = caught.value.issues
    assert issue.code == "invariant"
    assert issue.diagnostics.startswith("Observation: obs-6: dataAbsentReason SHALL only be present if")
    assert issue.text == f"Observation：{invariant_text('Observation', 'obs-6')}"


def test_every_chinese_text_belongs_to_an_invariant() -> None:
    written = json.loads(files("services.fhir.definitions").joinpath("invariants.zh.json").read_bytes())
    known = {name for place, each in stated() for name in (each.key, f"{place} {each.key}")}
    assert written.keys() <= known
