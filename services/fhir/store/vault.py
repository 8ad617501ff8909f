"""Identifiers of persons at rest: encrypted in the bodies, by a keyed hash in the index (docs/adr/0021).

What goes into the tables is sealed at the store's door and opened there on its way out, so nothing behind the door knows of it. A value is
replaced as it is spelled in the body, and comes back byte by byte.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from services.fhir.definitions import resource_types, search_parameters
from services.fhir.naming import names_of
from services.fhir.search.query import Match, OfTypeValue, SearchQuery, TokenValue, Value
from services.fhir.search.row import ContainedIndex, IndexRow
from services.fhir.search.strings import normalize
from services.fhir.store.rows import Stored, Write
from services.kit.crypto import CipherName, cipher_key, decrypt, derived, encrypt, mac, name_of
from services.kit.identifiers import canonical_id_number
from services.kit.settings import IdentifierSettings

MARK: Final = "~yy1."
SHORTEST: Final = 6  # a shorter text may stand for anything else in a body
_SEALED: Final = re.compile(r"~yy1\.([0-9a-f]{8})\.([A-Za-z0-9_-]+)~")
_SEALED_BYTES: Final = re.compile(rb"~yy1\.([0-9a-f]{8})\.")
_PLAIN: Final = re.compile(r"[^|\\\x00-\x1f\"~]+")


class Key(msgspec.Struct, frozen=True):
    name: str
    cipher: bytes
    index: bytes


class Vault(msgspec.Struct, frozen=True):
    """The first key seals, all of them open and find: while keys are exchanged both are there."""

    keys: tuple[Key, ...]
    cipher: CipherName
    systems: tuple[str, ...]

    # ---- in ---------------------------------------------------------------------------------------------------------------

    def sealed(self, version: Write) -> Write:
        """What is written of a version; the same where it names nobody."""
        values = self.values(version.body) if version.body else ()
        if not values or version.body is None:
            return version
        return msgspec.structs.replace(
            version,
            body=self.sealed_text(version.body, values, f"{version.type}/{version.id}"),
            index=self.blinded_row(version.index, values) if version.index else None,
            identities=self.blinded_identities(version.identities),
        )

    def values(self, body: str) -> tuple[str, ...]:
        """The identifiers in a body that are to be sealed."""
        if not any(system in body for system in self.systems):
            return ()
        sent = set(_values(msgspec.json.decode(body), frozenset(self.systems)))
        found = sent | {canonical_id_number(value) for value in sent}  # in the index it stands as that too
        return tuple(sorted((v for v in found if len(v) >= SHORTEST and _PLAIN.fullmatch(v)), key=len, reverse=True))

    def sealed_text(self, body: str, values: Sequence[str], bound_to: str) -> str:
        key = self.keys[0]

        def one(found: re.Match[str]) -> str:
            hidden = encrypt(self.cipher, key.cipher, found[0].encode(), bound_to.encode())
            return f"{MARK}{key.name}.{base64.urlsafe_b64encode(hidden).decode().rstrip('=')}~"

        return re.sub("|".join(map(_spellings, values)), one, body)

    def blinded_row(self, row: IndexRow, values: Sequence[str]) -> IndexRow:
        blinds = {value: self.blind(value, self.keys[0]) for value in values}
        folded = {normalize(value) for value in values}
        return msgspec.structs.replace(
            row,
            tokens=[_blinded(token, blinds) for token in row.tokens],
            strings=[text for text in row.strings if not any(value in text for value in folded)],
            words=[word for word in row.words if not any(value in word for value in folded)],
            contained=[
                ContainedIndex(inner.id, inner.type, self.blinded_row(inner.row, values)) for inner in row.contained
            ],
        )

    def blinded_identities(self, identities: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Under every key: no second person gets one while keys are exchanged."""
        if identities is None:
            return None
        return tuple(sorted({each for identity in identities for each in self.blinded_identity(identity)}))

    def blinded_identity(self, identity: str) -> tuple[str, ...]:
        system, _, value = identity.partition("|")
        if system not in self.systems:
            return (identity,)
        return tuple(f"{system}|{self.blind(value, key)}" for key in self.keys)

    def blind(self, value: str, key: Key) -> str:
        """What stands for a value in the index: the same for the same value, and nothing to who has no key."""
        name = "sm3" if self.cipher == "sm4-gcm" else "sha256"
        return "~" + base64.urlsafe_b64encode(mac(name, key.index, value.encode())[:16]).decode().rstrip("=")

    # ---- asked for --------------------------------------------------------------------------------------------------------

    def blinded_query(self, query: SearchQuery) -> SearchQuery:
        """The same search, that finds what is sealed too."""
        changed: SearchQuery = self._searched(query)
        return changed

    def _searched(self, part: Any) -> Any:
        if isinstance(part, Match):
            return self._match(part) if "identifier" in part.parameter or _is_ones_own(part) else part
        if isinstance(part, tuple):
            return tuple(self._searched(each) for each in part)
        if isinstance(part, msgspec.Struct):
            fields = msgspec.structs.asdict(part)
            changed = {name: self._searched(value) for name, value in fields.items()}
            same = all(changed[name] is value or changed[name] == value for name, value in fields.items())
            return part if same else msgspec.structs.replace(part, **changed)
        return part

    def _match(self, match: Match) -> Match:
        more: list[Value] = []
        for value in match.values:
            match value:
                case TokenValue(system, str(code)) if code and (system is None or system in self.systems):
                    more += [TokenValue(system, self.blind(code, key)) for key in self.keys]
                case OfTypeValue(system, code, text):
                    more += [OfTypeValue(system, code, self.blind(text, key)) for key in self.keys]
                case _:
                    pass
        return msgspec.structs.replace(match, values=(*match.values, *more)) if more else match

    # ---- out --------------------------------------------------------------------------------------------------------------

    def opened(self, stored: Stored) -> Stored:
        if stored.body is None or MARK not in stored.body:
            return stored
        return msgspec.structs.replace(stored, body=self.opened_text(stored.body, f"{stored.type}/{stored.id}"))

    def opened_text(self, body: str, bound_to: str) -> str:
        """What no key here opens stays as it is: a client may have sent such a text, or moved one that is another's."""
        return _SEALED.sub(lambda found: self._opened(found, bound_to), body)

    def _opened(self, found: re.Match[str], bound_to: str) -> str:
        key = next((key for key in self.keys if key.name == found[1]), None)
        if key is None:
            return found[0]
        try:
            hidden = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
            return decrypt(self.cipher, key.cipher, hidden, bound_to.encode()).decode()
        except (ValueError, binascii.Error):
            return found[0]

    # ---- whole ------------------------------------------------------------------------------------------------------------

    def sealed_bytes(self, content: bytes, bound_to: str) -> bytes:
        """What names persons in a form of its own is sealed as a whole."""
        key = self.keys[0]
        return f"{MARK}{key.name}.".encode() + encrypt(self.cipher, key.cipher, content, bound_to.encode())

    def opened_bytes(self, content: bytes, bound_to: str) -> bytes:
        """What was stored before there was a key is not sealed; ValueError where no key opens it."""
        found = _SEALED_BYTES.match(content)
        if found is None:
            return content
        key = next((key for key in self.keys if key.name == found[1].decode()), None)
        if key is None:
            raise ValueError("sealed under a key that is not here")
        return decrypt(self.cipher, key.cipher, content[found.end() :], bound_to.encode())

    def is_current_bytes(self, content: bytes) -> bool:
        found = _SEALED_BYTES.match(content)
        return found is not None and found[1].decode() == self.keys[0].name

    def renamed(self, text: str, values: Sequence[str]) -> str:
        """An index element, or JSON of many, under the first key whatever key it was made under, or none."""
        current = self.keys[0]
        for value in values:
            for older in (*(self.blind(value, key) for key in self.keys[1:]), value):
                text = text.replace(older, self.blind(value, current))
        return text

    def is_current(self, body: str) -> bool:
        """Whether the first key alone has sealed it."""
        return all(found[1] == self.keys[0].name for found in _SEALED.finditer(body)) and not self.values(body)


def vault_of(settings: IdentifierSettings) -> Vault | None:
    """None without a key: then nothing is encrypted."""
    keys = tuple(_key(secret, settings.identifier_cipher) for secret in settings.identifier_secrets)
    return Vault(keys, settings.identifier_cipher, names_of(settings.identifier_systems)) if keys else None


def _is_ones_own(match: Match) -> bool:
    """A token parameter that R4 does not have may read identifiers whatever it is called (docs/adr/0022)."""
    return match.type == "token" and match.parameter.partition(":")[0] not in _codes_of_r4()


@cache
def _codes_of_r4() -> frozenset[str]:
    return frozenset(code for each in resource_types() for code in search_parameters(each))


def _key(secret: bytes, cipher: CipherName) -> Key:
    return Key(
        name=name_of(derived(secret, "name of an identifier key")),
        cipher=cipher_key(cipher, secret, "identifiers"),
        index=derived(secret, "index of identifiers"),
    )


def _values(part: Any, systems: frozenset[str]) -> Iterator[str]:
    if isinstance(part, dict):
        value = part.get("value")
        if part.get("system") in systems and isinstance(value, str) and not value.startswith(MARK):
            yield value
        for inner in part.values():
            if isinstance(inner, dict | list):
                yield from _values(inner, systems)
    elif isinstance(part, list):
        for inner in part:
            yield from _values(inner, systems)


def _spellings(value: str) -> str:
    """A JSON string may spell any character by its number."""
    return "".join(f"(?:{re.escape(c)}|\\\\u(?i:{ord(c):04x}))" if ord(c) < 0x10000 else re.escape(c) for c in value)  # noqa: PLR2004


def _blinded(token: str, blinds: dict[str, str]) -> str:
    for value, blind in blinds.items():
        if token.endswith(value) and token[: -len(value)][-1:] in ("|", "="):
            return token[: -len(value)] + blind
    return token
