"""What a client may write as a Subscription, decided when the version is prepared: http://hl7.org/fhir/R4/subscription.html#status

The platform's own versions, which tell how the subscription does, come past here.
"""

from typing import Any, Final

import msgspec

from services.fhir.outcomes import FhirError, forbidden, unprocessable
from services.fhir.scopes import permissions
from services.fhir.service import Service
from services.fhir.store.rows import Stored
from services.fhir.subscriptions.channel import SECRET, Channel, read_channel, refused
from services.fhir.subscriptions.filters import Reading
from services.fhir.subscriptions.secrets import is_sealed, safe_of
from services.fhir.subscriptions.wanted import Wanted, read_wanted
from services.kit.caller import Caller
from services.kit.outbound import OutboundRefusedError

Json = dict[str, Any]

SHORTEST_SECRET: Final = 32
LONGEST_SECRET: Final = 256
_ASKED: Final = frozenset({"requested", "off"})
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode: Final = msgspec.json.Decoder(dict[str, Any])


def admitted(body: bytes, resource: Json, current: Stored | None, caller: Caller, service: Service) -> bytes:
    """The body to store: as it was sent, but with its secrets sealed, and so in `resource`, by which it is indexed."""
    wanted = read_wanted(resource, reading_of(service))
    _check_caller(wanted, caller, service)
    before = _decode.decode(current.body) if current is not None and current.body else None
    _check_status(wanted, before)
    try:
        service.outbound.check_written(wanted.channel.endpoint)
    except OutboundRefusedError as error:
        raise refused("endpoint", f"the endpoint may not be called: {error}", "不允许的接收地址") from error
    return _sealed(body, resource, wanted.channel, service)


def reading_of(service: Service) -> Reading:
    return Reading(service.base, service.zone, service.clock.now())


def _check_caller(wanted: Wanted, caller: Caller, service: Service) -> None:
    """It may be told of what it may read; a person, and whoever acts in an emergency, looks for themselves."""
    access = service.stores.access
    if access.person is not None or access.proxy is not None or access.may_override:
        raise forbidden("An institution subscribes, for its everyday work", text="仅机构可在日常用途下订阅")
    allowed = permissions(caller.scopes)
    for resource_type in wanted.types:
        if not allowed.allow_some(resource_type, "r"):
            raise forbidden(
                f"The scopes of this token do not hold {resource_type}.r, of which the subscription would tell",
                text=f"当前授权范围不含 {resource_type} 的读取权限",
                expression=("Subscription.criteria",),
            )


def _check_status(wanted: Wanted, before: Json | None) -> None:
    """Only a handshake makes a subscription active, with the very endpoint that took part in it."""
    if wanted.status in _ASKED:
        return
    if before is None or wanted.status != before.get("status"):
        raise _not_asked("A subscription begins as requested, and the server makes it active")
    reached = read_channel(before["channel"])
    if (reached.endpoint, reached.headers) != (wanted.channel.endpoint, wanted.channel.headers):
        raise _not_asked("Another endpoint or header needs another handshake: send status requested")


def _not_asked(diagnostics: str) -> FhirError:
    return unprocessable(
        diagnostics, code="business-rule", text="状态须为 requested 或 off", expression=("Subscription.status",)
    )


def _sealed(body: bytes, resource: Json, channel: Channel, service: Service) -> bytes:
    if not channel.headers and channel.secret is None:
        return body
    safe, institution = safe_of(service.internal_key), service.stores.access.organization
    try:
        headers = [f"{name}: {safe.sealed(value, institution)}" for name, value in channel.headers]
        secret = None if channel.secret is None else safe.sealed(_checked(channel.secret), institution)
    except ValueError as error:
        raise refused("header", "a sealed value that is not this institution's", "加密值无效") from error
    resource["channel"] = _with_secrets(resource["channel"], headers, secret)
    return with_channel(body, resource["channel"])


def _checked(secret: str) -> str:
    if not is_sealed(secret) and not SHORTEST_SECRET <= len(secret.encode()) <= LONGEST_SECRET:
        raise refused(
            "extension", f"a secret has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes", "密钥长度应为 32 至 256 字节"
        )
    return secret


def _with_secrets(channel: Json, headers: list[str], secret: str | None) -> Json:
    changed = channel | ({"header": headers} if headers else {})
    return changed if secret is None else with_secret(changed, secret)


def with_secret(channel: Json, secret: str) -> Json:
    others = [each for each in channel.get("extension", ()) if each["url"] != SECRET]
    return channel | {"extension": [*others, {"url": SECRET, "valueString": secret}]}


def with_channel(body: bytes, channel: Json) -> bytes:
    """The text with this channel, every other byte kept."""
    members = _members.decode(body)
    members["channel"] = msgspec.Raw(_encode(channel))
    return _encode(members)
