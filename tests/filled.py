"""Resources of a type that together hold a value for each of its search parameters: http://hl7.org/fhir/R4/searchparameter-registry.html"""

import re
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any, Final

from services.fhir.definitions import SearchParameter, property_of, required_codes, type_definition
from services.fhir.outcomes import FhirError
from services.fhir.search.expressions import compile_expression
from services.fhir.search.index import indexed_branches
from services.fhir.search.paths import Branch
from services.fhir.search.targets import reference_targets
from services.fhir.search.walk import Field
from services.fhir.validation import validate
from tests.minimal import PRIMITIVES, Json, minimal, required_of, value_of

_CODING: Final = {"system": "http://example.org/codes", "code": "c-1"}
_LENGTH: Final = {"value": Decimal("1.50"), "unit": "米", "system": "http://unitsofmeasure.org", "code": "m"}
_YEARS: Final = _LENGTH | {"unit": "岁", "code": "a"}
_PERIOD: Final = {"start": "2024-05-01", "end": "2024-05-31T12:00:00+08:00"}
_PERCENT: Final = {"value": 50, "system": "http://unitsofmeasure.org", "code": "%"}
_BASE: Final = {"path": "Basic", "min": 0, "max": "*"}
_DEFINITION: Final = {"id": "Basic", "path": "Basic", "min": 0, "max": "*", "base": _BASE, "definition": "…"}
SAMPLES: Final[Json] = {
    "Coding": _CODING,
    "CodeableConcept": {"coding": [_CODING]},
    "Identifier": {"system": "http://example.org/numbers", "value": "n-1"},
    "ContactPoint": {"system": "phone", "value": "13800000000"},
    "HumanName": {"family": "欧阳", "given": ["秀英"], "text": "欧阳秀英"},
    "Address": {
        "line": ["滨河路 8 号"],
        "city": "乌海",
        "state": "内蒙古",
        "country": "中国",
        "postalCode": "016000",
        "use": "home",
    },
    "Quantity": _LENGTH,
    "Age": _YEARS,
    "Duration": _YEARS,
    "Range": {"low": _LENGTH, "high": _LENGTH | {"value": 2}},
    "Money": {"value": Decimal("19.90"), "currency": "CNY"},
    "SampledData": {"origin": _LENGTH, "period": 1, "dimensions": 1, "data": "1 2 3 E"},
    "Period": _PERIOD,
    "Timing": {"repeat": {"boundsPeriod": _PERIOD}},
    "Attachment": {"url": "http://example.org/attachment"},
    "ElementDefinition": _DEFINITION,
    "RiskAssessment.prediction.probabilityRange": {"low": _PERCENT, "high": _PERCENT},  # ras-1
}
_RESOLVED: Final = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
_BESIDE: Final[dict[tuple[str, str], Json]] = {
    # object, element          what an invariant asks beside the element
    ("Appointment", "start"): {"end": PRIMITIVES["instant"]},
    ("Bundle", "entry"): {"type": "collection"},
    ("CapabilityStatement", "software"): {"kind": "instance", "implementation": {"description": "…"}},
    ("Composition.section", "code"): {"text": {"status": "generated", "div": PRIMITIVES["xhtml"]}},
    ("ConceptMap.group.unmapped", "url"): {"mode": "other-map"},
    ("Condition", "abatement"): {"clinicalStatus": {"coding": [_RESOLVED]}},
    ("MolecularSequence.referenceSeq", "chromosome"): {"genomeBuild": "GRCh37"},
    ("MolecularSequence.referenceSeq", "windowStart"): {"referenceSeqString": "A"},
    ("MolecularSequence.referenceSeq", "windowEnd"): {"referenceSeqString": "A"},
    ("RequestGroup.action", "participant"): {"resource": {"reference": "Basic/an-id"}},
    ("RiskAssessment.prediction", "qualitativeRisk"): {"probabilityDecimal": 1},
    ("ValueSet.compose.include", "concept"): {"system": _CODING["system"]},
    ("ValueSet.expansion.contains", "code"): {"system": _CODING["system"]},
}
_LITERAL: Final = re.compile(r"'([^']*)'")


def filled(resource_type: str) -> list[Json]:
    """Few resources: a value goes into the first that can take it, as the types of a choice exclude each other."""
    made = [minimal(resource_type)]
    for parameter, branch in indexed_branches(resource_type):
        if not any(holds(each, parameter, branch) for each in made):
            _add(made, parameter, branch)
    return made


def _add(made: list[Json], parameter: SearchParameter, branch: Branch) -> None:
    resource_type = made[0]["resourceType"]
    for value in _values(resource_type, parameter, branch):
        for n, each in enumerate(made):
            if (changed := _with(each, value)) and holds(changed, parameter, branch) and _is_valid(changed):
                made[n] = changed
                return
        alone = minimal(resource_type)
        for name in value:
            alone = _without_rivals(alone, resource_type, name)
        alone |= value
        if holds(alone, parameter, branch) and _is_valid(alone):
            made.append(alone)
            return


def _with(resource: Json, value: Json) -> Json | None:
    """The resource and the value; None where another value is in its place."""
    for name, added in value.items():
        if isinstance(added, list):
            resource = resource | {name: [*resource.get(name, ()), *added]}
        elif resource.get(name, added) == added and resource == _without_rivals(
            resource, resource["resourceType"], name
        ):
            resource = resource | {name: added}
        else:
            return None
    return resource


def _without_rivals(node: Json, type_name: str, name: str) -> Json:
    """Leave out the other types of the same choice."""
    found = property_of(type_name, name)
    own = found and found[0]
    return {n: v for n, v in node.items() if n == name or not (other := property_of(type_name, n)) or other[0] != own}


def holds(resource: Json, parameter: SearchParameter, branch: Branch) -> bool:
    """Tell whether the resource has a value at the end of this path of the parameter."""
    found = compile_expression(parameter.expression, resource["resourceType"])(resource)
    return any(fhir_type == branch.type for _, fhir_type in found)


def _is_valid(resource: Json) -> bool:
    try:
        validate(resource)
    except FhirError:
        return False
    return True


def _values(resource_type: str, parameter: SearchParameter, branch: Branch) -> Iterator[Json]:
    """The first property of the path with a value at its end, one for each guess at what the conditions on the way ask."""
    fields = [step.name for step in branch.steps if isinstance(step, Field)]
    guesses = ("", *_LITERAL.findall(parameter.expression), *reference_targets(resource_type, parameter))
    return (_built(resource_type, fields, guess) for guess in guesses if fields)


def _built(type_name: str, fields: list[str], guess: str) -> Json:
    """The first of the fields with the others inside it, and what must stand beside."""
    name, *rest = fields
    found = property_of(type_name, name)
    assert found is not None, (type_name, name)
    element, fhir_type = found
    beside = _BESIDE.get((type_name, element.name), {})
    if rest:
        inner = _built(fhir_type, rest, guess)
        value = deepcopy(SAMPLES.get(fhir_type) or required_of(fhir_type)) | _guessed(fhir_type, guess)
        for each in inner:
            value = _without_rivals(value, fhir_type, each)
        value |= inner
    else:
        value = _sample(type_name, name, guess)
    return deepcopy(beside) | {name: value if element.max == 1 else [value]}


def _sample(type_name: str, name: str, guess: str) -> Any:
    found = property_of(type_name, name)
    assert found is not None, (type_name, name)
    element, fhir_type = found
    if fhir_type == "Resource":
        return minimal(guess or "Composition", id="an-id")
    if fhir_type == "Reference" and guess:
        return {"reference": f"{guess}/an-id"}
    sample = SAMPLES.get(f"{type_name}.{name}") or SAMPLES.get(fhir_type)
    if sample and not element.codes:
        value = deepcopy(sample)
    else:
        made = value_of(element, fhir_type)
        value = made if element.max == 1 else made[0]
    return value | _guessed(fhir_type, guess) if isinstance(value, dict) else value


def _guessed(fhir_type: str, guess: str) -> Json:
    """What meets a condition such as `where(type='composed-of')`: the code or the item that it names, or the extension."""
    if guess.startswith("http"):
        flag = {"url": guess, "valueBoolean": True}
        return flag if fhir_type == "Extension" else {"extension": [flag]}
    elements = type_definition(fhir_type).elements.values()
    named = {"linkId": guess} if guess and any(e.name == "linkId" for e in elements) else {}
    codes = {e.name: guess for e in elements if e.types == ("code",) and e.codes and guess in required_codes(e.codes)}
    return named | codes
