"""What the terminology operations are given alike: a code in one of three forms, and the resource that it is about.

http://hl7.org/fhir/R4/terminology-service.html
"""

from typing import Any

import msgspec

from services.fhir.interactions.answers import present
from services.fhir.operations.inputs import Inputs, Json, invalid
from services.fhir.outcomes import bad_request
from services.fhir.request import FhirRequest
from services.fhir.service import Service
from services.fhir.terminology.catalog import Catalog, unknown_canonical
from services.fhir.terminology.shipped import Kind


class Coded(msgspec.Struct, frozen=True):
    """A code as it was given; what was not given is None."""

    code: str
    system: str | None = None
    version: str | None = None
    display: str | None = None

    @property
    def canonical(self) -> str:
        """The code system that is meant, with its version."""
        return f"{self.system}|{self.version}" if self.version else self.system or ""


def one_coding(inputs: Inputs) -> Coded:
    found = codings(inputs)
    if len(found) != 1:
        raise invalid("coding", "one code is needed", "需要一个代码")
    return found[0]


def codings(inputs: Inputs) -> list[Coded]:
    """Of `code` with its system, `coding` or `codeableConcept` exactly one must be there."""
    code, coding, concept = inputs.text("code"), inputs.element("coding"), inputs.element("codeableConcept")
    if sum(given is not None for given in (code, coding, concept)) != 1:
        raise bad_request(
            "Exactly one of code, coding and codeableConcept is needed",
            code="required",
            text="须且只能给出 code、coding、codeableConcept 之一",
        )
    if code is not None:
        version = inputs.text("systemVersion") or inputs.text("version")
        return [Coded(code, inputs.text("system"), version, inputs.text("display"))]
    given = [coding] if coding is not None else (concept or {}).get("coding", ())
    found = [Coded(c["code"], c.get("system"), c.get("version"), c.get("display")) for c in given if "code" in c]
    if not found:
        raise invalid("coding", "no code in it", "缺少代码")
    return found


async def subject(
    kind: Kind, inputs: Inputs, request: FhirRequest, catalog: Catalog, service: Service, inline: str
) -> Json | None:
    """The resource that the operation is about: the instance, the one in the body, or the one of a URL; None for none of them."""
    if request.id:
        return await _instance(kind, request, service)
    given, url = inputs.resource(inline, kind), inputs.text("url")
    if given is not None and url is not None:
        raise invalid("url", f"either url or {inline}", f"url 与 {inline} 只能给出一个")
    if url is None:
        return given
    version = inputs.text(f"{inline}Version") or (inputs.text("version") if kind == "CodeSystem" else None)
    canonical = f"{url}|{version}" if version else url
    found = await (catalog.value_set(canonical) if kind == "ValueSet" else catalog.find(kind, canonical))
    if found is None:
        raise unknown_canonical(kind, canonical)
    return found


async def _instance(kind: Kind, request: FhirRequest, service: Service) -> Json:
    return present(await service.stores.reading(lambda store: store.read(kind, request.id)), kind).parsed()


def given_resources(inputs: Inputs, *names: tuple[str, Kind]) -> list[dict[str, Any]]:
    return [found for name, kind in names if (found := inputs.resource(name, kind))]


async def record(request: FhirRequest, service: Service) -> None:
    await service.stores.audit_log.record(request.audit(request.operation, 200, query=request.query or None))
