"""A page link whose search names a person carries the search sealed: who finds the link learns nothing (docs/adr/0007, docs/adr/0019)."""

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.fhir.national_ids import holds_national_id
from services.fhir.outcomes import bad_request
from services.fhir.request import FhirRequest
from services.fhir.service import Service
from services.kit.crypto import derived

Parameters = Sequence[tuple[str, str]]

NAME: Final = "_sealed"
_NONCE: Final = 12
_decode: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


def asked(request: FhirRequest, service: Service) -> list[tuple[str, str]]:
    """The parameters of a search, those behind a sealed link among them."""
    return opened(request.parameters, service.stores.cursor_key)


def sealed(used: Parameters, key: bytes) -> Parameters:
    """The parameters for a link: as they are where they name nobody."""
    if not any(holds_national_id(value) for _, value in used):
        return used
    nonce = os.urandom(_NONCE)
    hidden = AESGCM(_key(key)).encrypt(nonce, msgspec.json.encode(list(used)), None)
    return ((NAME, base64.urlsafe_b64encode(nonce + hidden).decode().rstrip("=")),)


def opened(given: Parameters, key: bytes) -> list[tuple[str, str]]:
    """What a link stands for, with the parameters beside it."""
    found: list[tuple[str, str]] = []
    for name, value in given:
        found += _opened(value, key) if name == NAME else [(name, value)]
    return found


def _opened(text: str, key: bytes) -> list[tuple[str, str]]:
    try:
        whole = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _decode(AESGCM(_key(key)).decrypt(whole[:_NONCE], whole[_NONCE:], None))
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise bad_request("_sealed: not a page link of this server", code="value", text="翻页链接无效") from error


def _key(key: bytes) -> bytes:
    return derived(key, "page query")
