"""CodeSystem/$validate-code: http://hl7.org/fhir/R4/codesystem-operation-validate-code.html"""

from typing import Final

from services.fhir.operations.codes import Coded, codings, given_resources, record, subject
from services.fhir.operations.inputs import Inputs, read_inputs
from services.fhir.operations.verdicts import Verdict, answer, verdict_on
from services.fhir.outcomes import bad_request
from services.fhir.request import Answer, FhirRequest
from services.fhir.service import Service
from services.fhir.terminology.catalog import Catalog
from services.fhir.terminology.systems import System

_CODE: Final = ("code", "version", "display", "coding", "codeableConcept")
_KNOWN: Final = ("url", "codeSystem", "abstract", "displayLanguage", *_CODE)


async def validate_code_in_system(request: FhirRequest, service: Service) -> Answer:
    inputs = read_inputs(request)
    inputs.check_known(_KNOWN)
    catalog = Catalog(service.stores, given_resources(inputs, ("codeSystem", "CodeSystem")))
    resource = await subject("CodeSystem", inputs, request, catalog, service, "codeSystem")
    if resource is None:
        raise bad_request("url or codeSystem is needed", code="required", text="缺少 url 或 codeSystem")
    system = System(resource)
    verdicts = [_verdict(coded, system, inputs) for coded in codings(inputs)]
    await record(request, service)
    return answer(verdicts)


def _verdict(coded: Coded, system: System, inputs: Inputs) -> Verdict:
    if coded.system is not None and coded.system != system.url:
        return Verdict(False, f"The code is one of {coded.system}, not of {system.url} · 代码系统不符")  # noqa: FBT003
    concept = system.get(coded.code)
    if concept is None:
        note = "" if system.is_complete else " (only a part of the system is known here · 仅收录部分代码)"
        return Verdict(False, f"{coded.code} is not in {system.url} · 代码不存在{note}")  # noqa: FBT003
    if concept.is_abstract and inputs.flag("abstract") is False:
        return Verdict(False, f"{coded.code} is abstract: not to be used by itself · 抽象代码不可直接使用")  # noqa: FBT003
    return verdict_on(coded, concept, inputs.text("displayLanguage"), system.language)
