"""Where and how notifications go: http://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel

http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-backport-subscription.html
"""

import re
from typing import Any, Final, Literal

import msgspec

from services.fhir.outcomes import FhirError, unprocessable

Json = dict[str, Any]
Content = Literal["empty", "id-only"]

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
SECRET: Final = "https://yiyang.example/fhir/StructureDefinition/subscription-secret"  # noqa: S105 - the name of an extension
PAYLOADS: Final = frozenset({"application/fhir+json", "application/json"})
SHORTEST_HEARTBEAT: Final = 10
MOST_EVENTS: Final = 50
_HEADER: Final = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]{0,4094}[\x21-\x7e])?)"
)
_MOST_HEADERS: Final = 10
_OURS: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "content-encoding",
        "host",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_OURS_START: Final = "x-yiyang-"


class Channel(msgspec.Struct, frozen=True):
    """`headers` and `secret` as they stand in the resource, sealed once it is stored; `most` events in one notification."""

    endpoint: str
    content: Content = "id-only"
    headers: tuple[tuple[str, str], ...] = ()
    secret: str | None = None
    heartbeat: int | None = None
    timeout: int | None = None
    most: int = MOST_EVENTS


def read_channel(channel: Json) -> Channel:
    """422 for what this server does not send."""
    if channel.get("type") != "rest-hook":
        raise refused("type", "only rest-hook channels are served", "仅支持 rest-hook 通道")
    if "endpoint" not in channel:
        raise refused("endpoint", "a rest-hook needs an endpoint", "缺少接收地址")
    if channel.get("payload", "application/fhir+json") not in PAYLOADS:
        raise refused("payload", "notifications are application/fhir+json", "通知仅以 application/fhir+json 发送")
    heartbeat = _whole(channel, "heartbeat-period")
    if heartbeat is not None and heartbeat < SHORTEST_HEARTBEAT:
        raise refused("extension", f"a heartbeat-period is {SHORTEST_HEARTBEAT} s or more", "心跳周期过短")
    return Channel(
        channel["endpoint"],
        _content(channel),
        tuple(map(_header, _headers(channel))),
        _secret(channel),
        heartbeat,
        _whole(channel, "timeout") or None,
        min(_whole(channel, "max-count") or MOST_EVENTS, MOST_EVENTS),
    )


def extension(element: Json, url: str) -> Any:
    """The value of a simple extension, None where it is not there."""
    found: Json = next((each for each in element.get("extension", ()) if each["url"] == url), {})
    return next((value for name, value in found.items() if name.startswith("value")), None)


def refused(element: str, diagnostics: str, text: str) -> FhirError:
    return unprocessable(diagnostics, code="not-supported", text=text, expression=(f"Subscription.channel.{element}",))


def _content(channel: Json) -> Content:
    content = extension(channel.get("_payload", {}), f"{BACKPORT}-payload-content") or "id-only"
    if content not in ("empty", "id-only"):
        raise refused(
            "payload",
            "a notification names resources and never holds them: empty or id-only",
            "仅支持 empty 或 id-only",
        )
    return "empty" if content == "empty" else "id-only"


def _headers(channel: Json) -> list[str | None]:
    headers: list[str | None] = channel.get("header", [])
    if len(headers) > _MOST_HEADERS:
        raise refused("header", f"more than {_MOST_HEADERS} headers", "请求头过多")
    return headers


def _header(text: str | None) -> tuple[str, str]:
    """A header that would change how the request is read is none of the client's."""
    found = _HEADER.fullmatch(text or "")
    if found is None or found[1].lower() in _OURS or found[1].lower().startswith(_OURS_START):
        raise refused(
            "header",
            "a header is `Name: value` in ASCII, and not one that the sender makes",
            "请求头格式有误或不可自定义",
        )
    return found[1], found[2]


def _secret(channel: Json) -> str | None:
    secret = extension(channel, SECRET)
    if secret is not None and not isinstance(secret, str):
        raise refused("extension", "a secret is a string", "密钥应为字符串")
    return secret


def _whole(channel: Json, name: str) -> int | None:
    value = extension(channel, f"{BACKPORT}-{name}")
    if value is not None and not isinstance(value, int):
        raise refused("extension", f"{name} is a whole number", "应为整数")
    return value
