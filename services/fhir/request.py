"""A FHIR request as the interactions see it, and the answer that they give: http://hl7.org/fhir/R4/http.html"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from services.fhir import audit, headers
from services.fhir.outcomes import bad_request
from services.fhir.store.rows import AuditRow, Stored
from services.kit.caller import Caller

ENTRY: Final = b"x-yiyang-entry"  # the gateway lets no header of such a name in
_RENDERING: Final = frozenset({"_format", "_pretty"})


class Answer(msgspec.Struct, frozen=True):
    """Status, JSON body and headers; an empty body is sent without a content type."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class FhirRequest:
    """One request that the gateway has signed; `type`, `id`, `version`, `operation`, `file` and `inner` are path segments, empty where the route has none."""

    def __init__(
        self,
        method: str,
        path: Mapping[str, Any],
        query: str,
        fields: Mapping[bytes, bytes],
        body: bytes,
        caller: Caller,
        at: datetime,
    ) -> None:
        self.method = method
        self.at = at
        self.type: str = path.get("type", "")
        self.id: str = path.get("id", "")
        self.version: str = path.get("version", "")
        self.operation: str = path.get("operation", "")
        self.file: str = path.get("file", "")
        self.inner: str = path.get("inner", "")
        self.query = query
        self.body = body
        self.caller = caller
        self._fields = fields
        self.audited = 0  # the status that was told to the audit last

    def header(self, name: bytes) -> str:
        return self._fields.get(name, b"").decode("latin-1")

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """URL parameters, then those of a form body: http://hl7.org/fhir/R4/http.html#search"""
        return [*_parsed(self.query), *(_parsed(self.body.decode("utf-8", "replace")) if self.is_form else ())]

    @property
    def is_form(self) -> bool:
        return self.header(b"content-type").partition(";")[0].strip() == "application/x-www-form-urlencoded"

    @property
    def is_entry(self) -> bool:
        """Of a batch: its URL stands in a body, and this one is between services."""
        return ENTRY in self._fields

    @property
    def has_key(self) -> bool:
        return b"idempotency-key" in self._fields

    @property
    def if_match(self) -> str | None:
        return self.header(b"if-match") or None

    @property
    def if_none_match(self) -> str | None:
        return self.header(b"if-none-match") or None

    @property
    def if_none_exist(self) -> str | None:
        """None when the header is not there; an empty one is a mistake and never means "all"."""
        field = self._fields.get(b"if-none-exist")
        return None if field is None else field.decode("utf-8", "replace")

    @property
    def criteria(self) -> str:
        return without_rendering(self.query)

    @property
    def prefer(self) -> str:
        return self.header(b"prefer")

    def check_json_body(self) -> None:
        headers.check_content_type(self.header(b"content-type"))

    def audit(
        self,
        interaction: str,
        status: int,
        *,
        of: Stored | None = None,
        about: Iterable[str | None] = (),
        query: str | None = None,
    ) -> AuditRow:
        """The audit row of this request, about one stored version, or about the patients of many, or about one query."""
        self.audited = status
        return audit.row(
            self.at,
            self.caller,
            interaction,
            status,
            self.type or None,
            self.id or None,
            of=of,
            about=about,
            query=query,
        )


def without_rendering(query: str) -> str:
    """A query as sent, without what only says how the answer should look."""
    if "_format" not in query and "_pretty" not in query:
        return query
    return "&".join(part for part in query.split("&") if part.partition("=")[0] not in _RENDERING)


def _parsed(text: str) -> list[tuple[str, str]]:
    if not text:
        return []
    if "%00" in text or "\0" in text:
        raise bad_request("The parameters hold U+0000", text="查询参数含有空字符", code="value")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=500)
    except ValueError as error:
        raise bad_request(
            "The parameters are not UTF-8 form encoding, or too many", text="查询参数编码有误或过多"
        ) from error
