"""Which registered client stands behind a connection: by its address or its TLS certificate, and by the facility that a message names (docs/adr/0046)."""

import hashlib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

import msgspec

from yiyang.command import CommandError

_FACILITY: Final = slice(2, 4)


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is said must hold. `facility` is MSH-4, or `MSH-3|MSH-4`; it tells senders apart and proves nothing."""

    client: str
    addresses: tuple[str, ...] = ()
    certificate: str = ""
    facility: str = ""

    def may_connect(self, address: str, certificate: bytes | None) -> bool:
        if self.addresses and not any(ip_address(address) in ip_network(each) for each in self.addresses):
            return False
        return not self.certificate or (certificate is not None and fingerprint(certificate) == self.certificate)

    def is_of(self, header: list[str]) -> bool:
        """`header` is MSH, field by field."""
        said = header[_FACILITY]
        return self.facility in ("", *said[1:], "|".join(said))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    senders: tuple[Sender, ...]


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the certificate in DER, as `openssl x509 -fingerprint -sha256` tells it, in lower case without colons."""
    return hashlib.sha256(certificate).hexdigest()


def read_senders(path: Path) -> tuple[Sender, ...]:
    """Raise CommandError for a file that would let in whom nobody knows."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File).senders
        wrong = [problem for each in found if (problem := _problem(each))]
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise CommandError("发送方配置有误", f"{path}: {error}") from error
    if wrong or not found:
        raise CommandError("发送方配置有误", f"{path}: {'; '.join(wrong) or 'names no sender'}")
    return tuple(msgspec.structs.replace(each, certificate=_plain(each.certificate)) for each in found)


def _problem(sender: Sender) -> str:
    for each in sender.addresses:
        ip_network(each)
    if not (sender.addresses or sender.certificate):
        return f"{sender.client} has neither addresses nor a certificate: a facility alone proves nothing"
    return ""


def _plain(certificate: str) -> str:
    return certificate.removeprefix("sha256:").replace(":", "").lower()
