"""Patient/$register: the way in for an institution that has no basis for a patient (docs/adr/0011).

It states who the person is (a strong identifier, the name, the birth date) and hands over the signed separate consent (PIPL, articles 23
and 29). Wrong facts answer as an unknown person does. Who has a basis already is told.
"""

from typing import Any, Final

import msgspec

from services.fhir.access.consent import permissions_of
from services.fhir.access.grants import Opening, Opens
from services.fhir.access.identity import identities_of
from services.fhir.access.persons import same_person
from services.fhir.interactions.answers import location, version_headers
from services.fhir.interactions.commit import decided_again, put
from services.fhir.interactions.intent import Intent, changed, created
from services.fhir.interactions.prepare import Prepared, prepare, together
from services.fhir.operations.inputs import Inputs, invalid, read_inputs
from services.fhir.outcomes import FhirError, not_found
from services.fhir.request import Answer, FhirRequest
from services.fhir.scopes import CREATE
from services.fhir.service import Service
from services.fhir.store import registration
from services.fhir.store.rows import Stored, Write
from services.fhir.store.store import Store
from services.fhir.within_scopes import check_whole
from services.records.operations.notices import notice

Json = dict[str, Any]

MAX_WRONG: Final = 20
"""Wrong statements of one institution in an hour; then it has to wait, and its attempts stand in the audit."""


class _Statement(msgspec.Struct, frozen=True):
    """What the institution states; `creates` asks for a new Patient where the person is unknown."""

    patient: Json
    key: str
    consent: Json
    creates: bool


async def register(request: FhirRequest, service: Service) -> Answer:
    _check_scopes(request)
    stated = _statement(read_inputs(request), request)
    await service.stores.reading(
        lambda store: store.run(registration.check_attempts, request.caller.organization, request.at, MAX_WRONG)
    )
    known = await service.stores.reading(lambda store: store.run(registration.find, stated.key, service.stores.vault))
    if known is not None and not same_person(stated.patient, known.parsed()):
        known = None
        if stated.creates:
            raise await _unknown(request, service)
    elif known is None and stated.creates:
        return await _register(stated, None, request, service)
    if known is None:
        raise await _unknown(request, service)
    return await _register(stated, known, request, service)


def _check_scopes(request: FhirRequest) -> None:
    """It writes both, from wherever it was invoked."""
    for resource_type in ("Patient", "Consent"):
        check_whole(request.caller, resource_type, CREATE)


def _statement(inputs: Inputs, request: FhirRequest) -> _Statement:
    inputs.check_known({"patient", "consent", "create"})
    patient, consent = inputs.resource("patient", "Patient"), inputs.resource("consent", "Consent")
    if patient is None or consent is None:
        raise invalid("patient", "a Patient and the signed Consent are needed", "须同时提交患者信息与已签署的单独同意")
    keys = identities_of(patient)
    if len(keys) != 1 or not patient.get("birthDate") or not patient.get("name"):
        raise invalid(
            "patient", "one strong identifier, name and birthDate are needed", "须提供身份证件号码、姓名与出生日期"
        )
    _check_consent(consent, request.caller.organization)
    return _Statement(patient, keys[0], consent, creates=bool(inputs.flag("create")))


def _check_consent(consent: Json, organization: str) -> None:
    """Separate, signed and on paper: it names this recipient, a purpose and an end."""
    if consent.get("status") != "active" or not (consent.get("sourceAttachment") or consent.get("sourceReference")):
        raise invalid(
            "consent", "an active Consent with its signed document is needed", "须提交有效的、附签署文件的同意书"
        )
    own = [p for p in permissions_of(consent, "") if p.organization == organization]
    if not own or any(p.purposes is None or p.ends is None for p in own):
        raise invalid(
            "consent",
            "a nested provision must permit this organization, with purpose and period",
            "同意书须载明接收机构、目的与期限",
        )


async def _unknown(request: FhirRequest, service: Service) -> FhirError:
    organization, at = request.caller.organization, request.at
    await service.stores.reading(
        lambda store: store.run(registration.note_attempt, organization, at, request.caller.request_id)
    )
    await service.stores.audit_log.record(request.audit("register", 404))
    return not_found("No person with these facts is known here", text="未找到符合所述信息的人员")


async def _register(stated: _Statement, known: Stored | None, request: FhirRequest, service: Service) -> Answer:
    """One commit: the patient with the institution's identifiers, the consent, the basis, the notice, the audit row."""
    acting = service.as_platform()

    async def attempt() -> Answer:
        told = await _told(known, request, service)
        return await acting.stores.committing_once(lambda store: work(store, told))

    async def work(store: Store, told: Prepared) -> Answer:
        patient = await prepare({0: await _patient(stated, known, store)}, store, acting)
        consent = await _consent(stated, patient.writes[0], store, request, acting)
        registered = put(store, together((patient, consent, told)), service)[0]
        assert registered is not None  # noqa: S101 - nothing is deleted here
        return _answered(registered, store, request, service)

    return await decided_again(attempt, service)


def _answered(patient: Stored, store: Store, request: FhirRequest, service: Service) -> Answer:
    status = 201 if patient.is_created else 200
    store.audit(request.audit("register", status, of=patient))
    headers = (*version_headers(patient), (b"location", f"{service.base}/{location(patient)}".encode()))
    return Answer(status, (patient.body or "").encode(), headers)


async def _consent(
    stated: _Statement, patient: Write | None, store: Store, request: FhirRequest, acting: Service
) -> Prepared:
    """The signed consent; what it opens is the basis that was asked for, no more."""
    assert patient is not None  # noqa: S101 - nothing is deleted here
    prepared = await prepare({1: created(_signed(stated, patient.id))}, store, acting)
    opens = _opened(stated, patient.id, request)
    writes = {n: write and msgspec.structs.replace(write, opens=opens) for n, write in prepared.writes.items()}
    return msgspec.structs.replace(prepared, writes=writes)


async def _told(known: Stored | None, request: FhirRequest, service: Service) -> Prepared:
    if known is None:
        return Prepared()
    others = await service.stores.reading(lambda store: store.run(registration.holders, known.id, request.at))
    recipients = [each for each in others if each != request.caller.organization]
    text = f"机构 {request.caller.organization} 已凭患者单独同意完成登记，可查阅其档案。"
    return await notice(known.id, recipients, text, request, service)


async def _patient(stated: _Statement, known: Stored | None, store: Store) -> Intent:
    """The institution's own identifiers are added to those of the person; nothing else of the record changes."""
    if known is None:
        return created({name: value for name, value in stated.patient.items() if name != "id"})
    current = await store.read("Patient", known.id)
    if current is None or current.body is None:
        raise not_found("No person with these facts is known here", text="未找到符合所述信息的人员")
    body = current.parsed()
    there = body.setdefault("identifier", [])
    names = {(i.get("system"), i.get("value")) for i in there}
    own = [i for i in stated.patient["identifier"] if not identities_of({"identifier": [i]})]
    there += [i for i in own if (i.get("system"), i.get("value")) not in names]
    return changed(body, current.version)


def _signed(stated: _Statement, patient: str) -> Json:
    return {**stated.consent, "patient": {"reference": f"Patient/{patient}"}}


def _opened(stated: _Statement, patient: str, request: FhirRequest) -> Opens:
    organization = request.caller.organization
    permitted = (p for p in permissions_of(stated.consent, patient) if p.organization == organization)
    return Opens(
        tuple(
            Opening(
                patient,
                organization,
                "register",
                max(p.begins or request.at, request.at),
                p.ends,
                p.types,
                p.purposes,
                founds=p.types is None,
            )
            for p in permitted
        )
    )
