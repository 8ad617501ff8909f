"""Keys: which ones a client may register, and how a new pair is made (RFC 7517, RFC 7638).

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose.utils import base64_to_long, base64url_encode, long_to_base64

RSA_BITS = range(2048, 8193)
MAX_KEYS = 10
MAX_PUBLISHED = 50
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_REQUIRED = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_ALGORITHM = {"RSA": "RS384", "EC": "ES384"}
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}

Jwk = dict[str, Any]


class KeyRefusedError(ValueError):
    """A key set that no client may register; the message says what to mend."""


class KeyPair(msgspec.Struct, frozen=True):
    """An RSA pair: the private key in PEM for its owner alone, the public one as a JWK for the registration."""

    private_key: str
    public_jwk: Jwk

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])

    @property
    def jwks(self) -> Jwk:
        return {"keys": [self.public_jwk]}


def generate_key_pair(bits: int = 3072) -> KeyPair:
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": long_to_base64(numbers.n).decode(), "e": long_to_base64(numbers.e).decode()}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return KeyPair(pem, {**jwk, "kid": thumbprint(jwk), "alg": "RS384", "use": "sig"})


def thumbprint(jwk: Jwk) -> str:
    """Return the JWK thumbprint of RFC 7638, the kid of keys that we make."""
    members = {name: jwk[name] for name in _THUMBPRINT[jwk["kty"]]}
    return str(base64url_encode(hashlib.sha256(msgspec.json.encode(members)).digest()).decode())


def accept_jwks(document: Mapping[str, Any]) -> Jwk:
    """Return the key set reduced to what verifies signatures, or raise KeyRefusedError."""
    if "jwks_uri" in document:
        raise KeyRefusedError("the key set itself is needed here; its address is registered as jwks_uri")
    keys = document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise KeyRefusedError(f'expected a JWK Set {{"keys": […]}} with 1 to {MAX_KEYS} keys')
    accepted = [_accept(key) for key in keys]
    if len({key["kid"] for key in accepted}) < len(accepted):
        raise KeyRefusedError("two keys have the same kid")
    return {"keys": accepted}


def usable_keys(document: object) -> list[Jwk]:
    """Return those keys of a set that others publish which may verify signatures here; KeyRefusedError for what is no such set."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_PUBLISHED:
        raise KeyRefusedError(f"expected a JWK Set with at most {MAX_PUBLISHED} keys")
    usable = []
    for key in keys:
        try:
            usable.append(_accept(key))
        except KeyRefusedError:
            continue  # for encryption, or for an algorithm that is not taken here
    return usable


def _accept(key: object) -> Jwk:
    if not isinstance(key, dict):
        raise KeyRefusedError("a key is not an object")
    if held := _PRIVATE.intersection(key):
        raise KeyRefusedError(f"private key material ({', '.join(sorted(held))}): register the public part only")
    kty, kid = key.get("kty"), key.get("kid")
    if kty not in _REQUIRED:
        raise KeyRefusedError("kty must be RSA (for RS384) or EC (for ES384)")
    if not isinstance(kid, str) or not 1 <= len(kid) <= 256:  # noqa: PLR2004
        raise KeyRefusedError("each key needs a kid of 1 to 256 characters")
    if key.get("alg", _ALGORITHM[kty]) != _ALGORITHM[kty] or key.get("use", "sig") != "sig":
        raise KeyRefusedError(f"key {kid}: alg must be {_ALGORITHM[kty]} and use sig")
    if not all(isinstance(key.get(name), str) for name in _REQUIRED[kty]):
        raise KeyRefusedError(f"key {kid}: {', '.join(_REQUIRED[kty])} are needed")
    _check_strength(key)
    return {name: key[name] for name in ("kty", "kid", *_REQUIRED[kty])} | {"alg": _ALGORITHM[kty], "use": "sig"}


def _check_strength(key: Jwk) -> None:
    if key["kty"] == "EC" and key["crv"] != "P-384":
        raise KeyRefusedError(f"key {key['kid']}: the curve must be P-384")
    try:
        bits = _key_size(key)
    except (ValueError, TypeError) as error:
        raise KeyRefusedError(f"key {key['kid']}: not a valid {key['kty']} key") from error
    if key["kty"] == "RSA" and bits not in RSA_BITS:
        raise KeyRefusedError(f"key {key['kid']}: RSA of {bits} bits; 2048 or more are needed")


def is_strong(key: Jwk) -> bool:
    """Tell whether a key that others publish is whole, of a kind that is known here, and strong enough."""
    try:
        if key.get("kty") == "RSA":
            return _key_size(key) in RSA_BITS
        return key.get("kty") == "EC" and _point(key, _CURVES[key["crv"]]) is not None
    except (KeyError, ValueError, TypeError):
        return False


def _key_size(key: Jwk) -> int:
    if key["kty"] == "RSA":
        return rsa.RSAPublicNumbers(base64_to_long(key["e"]), base64_to_long(key["n"])).public_key().key_size
    return _point(key, ec.SECP384R1()).key_size


def _point(key: Jwk, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    x, y = base64_to_long(key["x"]), base64_to_long(key["y"])
    return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
