"""To whom: the request goes to the owner of its type, with the Caller signed and nothing internal from outside.

https://www.rfc-editor.org/rfc/rfc9110#section-7.6
"""

from collections.abc import Iterable
from urllib.parse import quote_from_bytes

from gateway.authorize import Interaction
from gateway.errors import bad_gateway
from gateway.settings import FHIR_PATH, GatewaySettings
from services.fhir.outcomes import not_found
from services.fhir.scopes import ANY
from services.kit import caller as signing
from services.kit.caller import Caller
from services.kit.clock import Clock
from services.kit.logging import log
from services.kit.peers import Headers, PeerAnswer, Peers

_INTERNAL = b"x-yiyang-"
_CALLER = signing.HEADER.encode()
# Hop-by-hop, or about the way here, or secret (the token, cookies); content-length and host are set anew.
_DROPPED = frozenset(
    b"authorization connection content-length cookie expect forwarded host keep-alive proxy-authenticate "
    b"proxy-authorization proxy-connection te trailer transfer-encoding upgrade x-forwarded-for x-forwarded-host "
    b"x-forwarded-port x-forwarded-prefix x-forwarded-proto x-purpose x-real-ip x-request-id".split()
)
_DROPPED_IN_ANSWERS = frozenset(
    b"connection content-length date keep-alive server trailer transfer-encoding upgrade x-request-id".split()
)
# What an HTTP client would encode by itself; the signature is over the target exactly as it arrives.
_QUERY_SAFE = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"\"#'<>\\^`{}")


class Forward:
    def __init__(self, settings: GatewaySettings, peers: Peers, clock: Clock) -> None:
        self._key = settings.key
        self._base_service = settings.base_service
        self._peers = peers
        self._clock = clock

    async def owner(self, interaction: Interaction) -> str:
        """Return the service that answers: the owner of the type, or the one for the system as a whole; 404 for no type."""
        if interaction.type == ANY:
            return self._base_service
        service = await self._peers.directory.owner(interaction.type)
        if service is None:
            raise not_found(f"No resource type {interaction.type} is served here", text="资源类型不存在")
        return service

    async def __call__(
        self, service: str, method: str, path: str, query: bytes, headers: Headers, body: bytes, caller: Caller
    ) -> PeerAnswer:
        """Send the request on and return the answer, without what is meant for this hop only."""
        target = _target(path, query)
        signature = signing.sign(caller, method, target, body, self._key, self._clock.seconds())
        passed = _passed(headers)
        passed += ((_CALLER, signature.encode()), (b"x-request-id", caller.request_id.encode()))
        if body:
            passed.append((b"content-length", str(len(body)).encode()))
        answer = await self._peers.call(service, method, target, passed, body)
        if answer.status >= 500 and not _is_json(answer.headers):  # noqa: PLR2004
            log("peer.failed", service=service, status=answer.status, request_id=caller.request_id)
            raise bad_gateway(f"The service {service} failed")
        return PeerAnswer(answer.status, [_ for _ in answer.headers if not _is_internal(_[0])], answer.body)


def _target(path: str, query: bytes) -> str:
    target = f"{FHIR_PATH}/{path}" if path else FHIR_PATH
    return f"{target}?{quote_from_bytes(query, _QUERY_SAFE)}" if query else target


def _passed(headers: Headers) -> list[tuple[bytes, bytes]]:
    dropped = _DROPPED
    for name, value in headers:
        if name == b"connection":
            dropped = dropped.union(nominated.strip().lower() for nominated in value.split(b","))
    return [(name, value) for name, value in headers if name not in dropped and not name.startswith(_INTERNAL)]


def _is_internal(name: bytes) -> bool:
    return name in _DROPPED_IN_ANSWERS or name.startswith(_INTERNAL)


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and b"json" in value for name, value in headers)
