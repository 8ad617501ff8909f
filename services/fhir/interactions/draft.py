"""What an intent means on what is there now: parsed, validated, its preconditions checked; nobody has decided on it yet."""

from typing import Any

import msgspec

from services.fhir.headers import etags
from services.fhir.interactions.answers import present
from services.fhir.interactions.intent import Intent
from services.fhir.outcomes import (
    FhirError,
    bad_request,
    conflict,
    precondition_failed,
    precondition_required,
    unprocessable,
)
from services.fhir.patch import apply_patch
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.store.store import Store
from services.fhir.validation import parse, validate

Json = dict[str, Any]


class Draft(msgspec.Struct, frozen=True):
    """`body` is the text that is to be stored and `resource` the same parsed, None for a deletion; `current` is what it replaces.

    What is governed `is_decided` when its business has let it pass (decide.py).
    """

    intent: Intent
    current: Stored | None
    body: bytes = b""
    resource: Json | None = None
    is_decided: bool = False

    @property
    def before(self) -> Json | None:
        """What is there, parsed; None where nothing is, or a deletion."""
        if self.current is None or self.current.body is None:
            return None
        return parse(self.current.body.encode(), self.intent.type)

    @property
    def version(self) -> int:
        return self.current.version + 1 if self.current else 1


async def draft(intent: Intent, store: Store, service: Service) -> Draft | None:
    """None for a deletion of what is not there."""
    match intent.method:
        case "POST":
            return draft_create(intent, service)
        case "PUT":
            return await _update(intent, store, service)
        case "PATCH":
            return await _patch(intent, store, service)
        case "DELETE":
            return await _delete(intent, store, service)


def is_undecided(drafted: Draft, service: Service) -> bool:
    intent = drafted.intent
    return service.governs(intent.type) and not intent.by_platform and not drafted.is_decided


def check_reserved(drafted: Draft, service: Service) -> None:
    """What follows from something else is written with it, and by nobody who asks for it."""
    kind = drafted.intent.type
    is_reserved = service.reserved.get(kind)
    if is_reserved and any(each is not None and is_reserved(each) for each in (drafted.resource, drafted.before)):
        raise unprocessable(
            f"The platform itself writes this {kind}",
            code="business-rule",
            text="该资源由平台生成，不可自行写入或修改",
            expression=(kind,),
        )


def rewritten(drafted: Draft, resource: Json, body: bytes) -> Draft:
    """The same with what the server says instead of the client; it is no more trusted."""
    validate(resource)
    return msgspec.structs.replace(drafted, resource=resource, body=body)


def draft_create(intent: Intent, service: Service) -> Draft:
    service.check(intent.type, "create")
    return Draft(intent, None, intent.body, intent.resource or _read(intent))


def _read(intent: Intent) -> Json:
    resource = parse(intent.body, intent.type)
    validate(resource)
    return resource


async def _update(intent: Intent, store: Store, service: Service) -> Draft:
    service.check(intent.type, "update")
    resource = parse(intent.body, intent.type)
    _check_id(resource, intent)
    validate(resource)
    _check_whole(resource)
    current = await store.to_write(intent.type, intent.id)
    await _check_current(intent, current, resource, store, service)
    if intent.is_new and current is not None and not current.is_deleted:
        raise conflict(
            "A resource with this id is there, and does not match the criteria", text="该 id 的资源已存在，但不符合条件"
        )
    return Draft(intent, current, intent.body, resource)


async def _patch(intent: Intent, store: Store, service: Service) -> Draft:
    """The patched resource is validated like one that was sent whole: http://hl7.org/fhir/R4/http.html#patch"""
    service.check(intent.type, "patch")
    current = await store.to_write(intent.type, intent.id)
    await _check_current(intent, current, None, store, service)
    current = present(current, intent.type)
    body = apply_patch((current.body or "").encode(), intent.patch, intent.body)
    resource = parse(body, intent.type)
    _check_id(resource, intent)
    validate(resource)
    _check_whole(resource)
    return Draft(intent, current, body, resource)


async def _delete(intent: Intent, store: Store, service: Service) -> Draft | None:
    """A resource out of reach is not there: nothing to delete."""
    service.check(intent.type, "delete")
    current = await store.to_delete(intent.type, intent.id)
    check_preconditions(intent, current, service)
    return None if current is None or current.is_deleted else Draft(intent, current)


def check_preconditions(intent: Intent, current: Stored | None, service: Service) -> None:
    """http://hl7.org/fhir/R4/http.html#concurrency; `If-None-Match: *` means: only if there is none."""
    version = str(current.version) if current is not None and not current.is_deleted else None
    if intent.if_match is None and version is not None and not intent.by_platform:
        _check_names_version(intent, current, service)
    if intent.if_match is not None:
        wanted = etags(intent.if_match)
        if version is None or (wanted is not None and version not in wanted):
            raise precondition_failed(
                "The resource is not at the version of If-Match", text="数据已被他人修改，请刷新后重试"
            )
    if intent.if_none_match is not None:
        unwanted = etags(intent.if_none_match)
        if version is not None and (unwanted is None or version in unwanted):
            raise precondition_failed("The resource is there, against If-None-Match", text="资源已存在")


async def _check_current(
    intent: Intent, current: Stored | None, sent: Json | None, store: Store, service: Service
) -> None:
    """Where the type's owner can say so, a 412 tells what another author has changed since the version of If-Match."""
    try:
        check_preconditions(intent, current, service)
    except FhirError as error:
        differs = service.differs.get(intent.type)
        if differs is None or not intent.if_match or current is None or current.body is None or intent.by_platform:
            raise
        number = next((each for each in etags(intent.if_match) or () if each.isdecimal()), "0")
        based = await store.vread(intent.type, intent.id, int(number)) if number != "0" else None
        base = parse(based.body.encode(), intent.type) if based is not None and based.body else None
        issues = differs(base, parse(current.body.encode(), intent.type), sent)
        raise FhirError(error.status, (*error.issues, *issues), error.headers | {"ETag": current.etag}) from error


def _check_names_version(intent: Intent, current: Stored | None, service: Service) -> None:
    """Where two institutions write in turn, a change must say what it changes: https://www.rfc-editor.org/rfc/rfc6585#section-3"""
    if service.guarded is None or current is None or current.body is None or intent.method not in ("PUT", "PATCH"):
        return
    if service.governs(intent.type) and service.guarded(intent.type, parse(current.body.encode(), intent.type)):
        raise precondition_required(
            f"A change of this {intent.type} names the version that it changes in If-Match",
            text="修改该资源须以 If-Match 注明所依据的版本",
            headers={"ETag": current.etag},
        )


def _check_id(resource: Json, intent: Intent) -> None:
    """http://hl7.org/fhir/R4/http.html#update: the body names the id of the URL."""
    if resource.get("id") != intent.id and not (intent.names_no_id and "id" not in resource):
        raise bad_request(
            "The id in the body must be the id in the URL",
            code="value",
            text="资源 id 与网址中的 id 不一致",
            expression=(f"{intent.type}.id",),
        )


def _check_whole(resource: Json) -> None:
    """A part of a resource, as `_summary` and `_elements` answer it, would delete the rest: http://hl7.org/fhir/R4/search.html#summary"""
    if any(tag.get("code") == "SUBSETTED" for tag in resource.get("meta", {}).get("tag", ())):
        raise unprocessable(
            "A SUBSETTED resource is a part of one and cannot replace the whole",
            code="business-rule",
            text="该内容只是资源的一部分（SUBSETTED），不能用于更新",
            expression=(f"{resource['resourceType']}.meta.tag",),
        )
