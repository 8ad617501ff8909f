"""What a DocumentReference says of its content is held against the content: http://hl7.org/fhir/R4/datatypes.html#attachment

`size` is counted in bytes, `hash` is SHA-1 in base64, both of the content itself. What lies elsewhere is not fetched.
"""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from services.fhir.outcomes import Issue
from services.fhir.references import relative

Json = dict[str, Any]


def attachments(document: Json) -> Iterator[tuple[str, Json]]:
    """Each with its FHIRPath."""
    for n, content in enumerate(document.get("content", ())):
        if isinstance(attachment := content.get("attachment"), dict):
            yield f"DocumentReference.content[{n}].attachment", attachment


def binary_of(attachment: Json, base: str) -> str | None:
    """The id of the Binary here that holds the content; None for what lies elsewhere, or inside."""
    kind, _, rest = relative(str(attachment.get("url", "")), f"{base}/").partition("/")
    return rest.partition("/")[0] or None if kind == "Binary" else None


def content_of(resource: Json) -> bytes:
    """The bytes of a Binary or of an attachment that holds them itself."""
    return base64.b64decode("".join(str(resource.get("data", "")).split()))


def faults(place: str, attachment: Json, content: bytes, kind: str | None = None) -> Iterator[Issue]:
    """What of size, hash and type is not that of the content; `kind` is the type under which a Binary keeps it."""
    if "size" in attachment and attachment["size"] != len(content):
        yield _issue(f"{place}.size", f"the content has {len(content)} bytes", f"内容实际为 {len(content)} 字节")
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    if "hash" in attachment and not _is_hash(attachment["hash"], digest):
        yield _issue(f"{place}.hash", "not the SHA-1 of the content, in base64", "与内容的 SHA-1（base64）不符")
    if kind and "contentType" in attachment and _media(attachment["contentType"]) != _media(kind):
        yield _issue(f"{place}.contentType", "the Binary is of another type", "与所引用内容（Binary）的类型不一致")


def _is_hash(given: str, digest: bytes) -> bool:
    return "".join(given.split()) == base64.b64encode(digest).decode()


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _issue(expression: str, diagnostics: str, text: str) -> Issue:
    return Issue("error", "value", f"{expression}: {diagnostics}", f"{text} · {diagnostics}", (expression,))
