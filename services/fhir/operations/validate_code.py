"""ValueSet/$validate-code: http://hl7.org/fhir/R4/valueset-operation-validate-code.html"""

from typing import Final

from services.fhir.operations.codes import Coded, codings, given_resources, record, subject
from services.fhir.operations.inputs import Inputs, Json, read_inputs
from services.fhir.operations.verdicts import Verdict, answer, verdict_on
from services.fhir.outcomes import FhirError, bad_request
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.expansions import Member
from services.fhir.terminology.members import Members

_CODE: Final = ("code", "system", "systemVersion", "display", "coding", "codeableConcept")
_KNOWN: Final = ("url", "valueSet", "valueSetVersion", "abstract", "displayLanguage", *_CODE)


async def validate_code(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    catalog = Catalog(service.stores, given_resources(inputs, ("valueSet", "ValueSet")))
    value_set = await subject("ValueSet", inputs, request, catalog, service, "valueSet")
    if value_set is None:
        raise bad_request("url or valueSet is needed", code="required", text="缺少 url 或 valueSet")
    given = codings(inputs)
    verdicts = [await _verdict(coded, value_set, inputs, Members(catalog)) for coded in given]
    await record(request, service)
    return answer(verdicts)


async def _verdict(coded: Coded, value_set: Json, inputs: Inputs, members: Members) -> Verdict:
    try:
        found = await _find(coded, value_set, members)
    except FhirError as error:  # a rule that cannot be followed decides nothing
        return Verdict(False, "; ".join(f"{i.diagnostics} · {i.text}" for i in error.issues))  # noqa: FBT003
    if found is None:
        return Verdict(False, f"{coded.canonical}#{coded.code} is not in the value set · 代码不在值集中")  # noqa: FBT003
    if coded.version and found.version and coded.version != found.version:
        return Verdict(False, f"{coded.system} is known here as version {found.version} · 代码系统版本不符")  # noqa: FBT003
    if found.concept.is_abstract and not inputs.flag("abstract"):
        return Verdict(False, f"{coded.code} is abstract: not to be used by itself · 抽象代码不可直接使用")  # noqa: FBT003
    return verdict_on(coded, found.concept, inputs.text("displayLanguage"), found.language)


async def _find(coded: Coded, value_set: Json, members: Members) -> Member | None:
    if coded.system is not None:
        return await members.find(value_set, coded.system, coded.code)
    found = [m for (_, code), m in (await members.of(value_set)).items() if code == coded.code]
    if len(found) > 1:
        raise bad_request(f"{coded.code}: name its system, several have it", code="value", text="请指明代码系统")
    return found[0] if found else None
