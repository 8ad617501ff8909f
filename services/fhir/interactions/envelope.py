"""A batch or transaction as it came in: http://hl7.org/fhir/R4/bundle.html and http://hl7.org/fhir/R4/http.html#transaction"""

import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from services.fhir.headers import http_date
from services.fhir.outcomes import FhirError, Issue, bad_request
from services.fhir.request import without_rendering
from services.fhir.validation import parse, validate

METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
# What stands in a URL as it is; anything else was sent without its encoding: gateway/forward.py
_URL_SAFE: Final = "".join(map(chr, range(0x21, 0x7F))).translate(dict.fromkeys(map(ord, "\"#'<>\\^`{}")))
_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._$*-]{1,256}")  # as at the gateway
_NO_URL: Final = SplitResult("invalid", "", "", "", "")
_ORDER: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_WITH_RESOURCE: Final = frozenset({"POST", "PUT", "PATCH"})


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    method: str
    url: str
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    request: _Request | None = None
    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Envelope(msgspec.Struct, frozen=True):
    type: str = ""
    entry: list[_Entry] = []


class Entry(msgspec.Struct, frozen=True):
    """One entry: `type`, `id` and `rest` (the path behind them) of its URL, its body as sent and parsed.

    `criteria` are those of a conditional write, from the URL or from ifNoneExist; None where the write is not conditional.
    """

    index: int
    method: str
    target: str
    type: str
    id: str
    rest: str
    query: str
    full_url: str
    request: "_Request"
    raw: bytes
    resource: dict[str, Any]

    @property
    def writes(self) -> bool:
        return self.method in _WRITES and not self.is_operation

    @property
    def changes_state(self) -> bool:
        """Or may: an operation by POST."""
        return self.method in _WRITES

    @property
    def is_operation(self) -> bool:
        return self.rest.startswith("$")

    @property
    def criteria(self) -> str | None:
        if self.method == "POST":
            return self.request.if_none_exist
        return self.query if self.writes and not self.id else None

    @property
    def conditions(self) -> tuple[tuple[bytes, str | None], ...]:
        """The headers that the entry stands for: http://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request"""
        return (
            (b"if-match", self.request.if_match),
            (b"if-none-match", self.request.if_none_match),
            (b"if-modified-since", _http_date(self.request.if_modified_since)),
            (b"if-none-exist", self.request.if_none_exist),
        )


_decode: Final = msgspec.json.Decoder(_Envelope)


class Envelope(msgspec.Struct, frozen=True):
    """`refused` are the entries of a batch that are no requests: each has its own answer."""

    kind: str
    count: int
    entries: list[Entry]
    refused: dict[int, FhirError]


def open_envelope(body: bytes, base: str, max_entries: int) -> Envelope:
    """The entries of a batch or transaction in the order sent; each resource is validated later, by its owner."""
    bundle = parse(body, "Bundle")
    _check_frame(bundle)
    sent = _decode.decode(body)
    if sent.type not in ("batch", "transaction"):
        raise bad_request(
            "Only a batch or a transaction can be posted to the base",
            code="value",
            text="仅接受 batch 或 transaction",
            expression=("Bundle.type",),
        )
    if len(sent.entry) > max_entries:
        raise bad_request(
            f"At most {max_entries} entries",
            code="too-costly",
            text=f"条目不能超过 {max_entries} 个",
            expression=("Bundle.entry",),
        )
    envelope = Envelope(sent.type, len(sent.entry), [], {})
    for n, (entry, whole) in enumerate(zip(sent.entry, bundle.get("entry", ()), strict=True)):
        try:
            envelope.entries.append(_entry(n, entry, whole.get("resource", {}), base, is_batch=sent.type == "batch"))
        except FhirError as error:
            if sent.type == "transaction":
                raise at_entry(error, n) from error
            envelope.refused[n] = error
    return envelope


def in_processing_order(entries: list[Entry]) -> list[Entry]:
    """DELETE, POST, PUT and PATCH, GET, whatever the order sent: http://hl7.org/fhir/R4/http.html#trules"""
    return sorted(entries, key=lambda e: _ORDER[e.method])


def at_entry(error: FhirError, index: int) -> FhirError:
    """The same failure, named by the entry that it stands in."""
    return FhirError(error.status, tuple(_placed(issue, index) for issue in error.issues))


def _placed(issue: Issue, index: int) -> Issue:
    place = f"Bundle.entry[{index}]"
    inner = tuple(
        f"{place}.resource{'.' + rest if rest else ''}" for _, _, rest in (e.partition(".") for e in issue.expression)
    )
    return msgspec.structs.replace(issue, expression=inner or (place,))


def _check_frame(bundle: dict[str, Any]) -> None:
    """The Bundle itself, with its resources left out: they are their owners' to validate."""
    entries = bundle.get("entry")
    if isinstance(entries, list) and entries and all(isinstance(e, dict) for e in entries):
        bundle = {**bundle, "entry": [{k: v for k, v in e.items() if k != "resource"} for e in entries]}
        bundle["entry"] = [e for e in bundle["entry"] if e] or [{"fullUrl": "urn:uuid:entry-without-request"}]
    validate(bundle)


def _entry(index: int, entry: _Entry, resource: Any, base: str, *, is_batch: bool) -> Entry:
    request = entry.request
    if request is None:
        raise bad_request("Each entry needs a request", code="required", text="条目缺少 request")
    if request.method not in METHODS:
        raise bad_request(f"{request.method} is not supported in an entry", code="not-supported", text="不支持该方法")
    parts = _below_base(request.url, base)
    kind, resource_id, rest = _place(parts.path)
    opened = Entry(
        index=index,
        method=request.method,
        target=parts.geturl(),
        type=kind,
        id=resource_id,
        rest=rest,
        query=without_rendering(parts.query),
        full_url=entry.full_url,
        request=request,
        raw=bytes(entry.resource),
        resource=resource if isinstance(resource, dict) else {},
    )
    if opened.is_operation and not is_batch:
        raise bad_request("A transaction invokes no operations", code="not-supported", text="事务中不支持调用操作")
    if opened.writes:
        _check_write(opened)
    return opened


def _below_base(url: str, base: str) -> SplitResult:
    """Path and query below the base, without the slashes that are too many; no dot segment leads out of it."""
    try:
        parts = urlsplit(quote(url.removeprefix(base).lstrip("/"), _URL_SAFE))
    except ValueError:
        parts = _NO_URL
    segments = [segment for segment in parts.path.split("/") if segment]
    if parts.scheme or parts.netloc or not all(map(_SEGMENT.fullmatch, segments)):
        raise bad_request("Not a URL below the FHIR base", code="value", text="条目网址有误")
    return SplitResult("", "", "/".join(segments), parts.query, "")


def _http_date(moment: str | None) -> str | None:
    """An entry has an instant where a header has a date of its own form; one that no calendar has is ignored there."""
    if moment is None:
        return None
    try:
        return http_date(datetime.fromisoformat(moment).astimezone(UTC))
    except (ValueError, OverflowError):
        return moment


def _place(path: str) -> tuple[str, str, str]:
    """Type, id and what follows; the first is empty for what is asked of the whole system."""
    kind, _, rest = path.strip("/").partition("/")
    if not kind[:1].isupper():
        return "", "", path.strip("/")
    resource_id, _, following = rest.partition("/")
    return (kind, "", rest) if resource_id[:1] in ("_", "$") else (kind, resource_id, following)


def _check_write(entry: Entry) -> None:
    """A create names a type, other writes an id or criteria, and never both: http://hl7.org/fhir/R4/http.html#trules"""
    creates = entry.method == "POST"
    if not entry.type or entry.rest or (creates and (entry.id or entry.query)):
        raise bad_request(f"{entry.method}: not a URL to {entry.method} to", code="value", text="条目网址与方法不符")
    if not creates and bool(entry.id) is bool(entry.query):
        raise bad_request(f"{entry.method} needs an id or criteria", code="value", text="条目网址须有 id 或条件")
    if not creates and entry.request.if_none_exist is not None:
        raise bad_request("ifNoneExist belongs to a POST", code="value", text="ifNoneExist 仅用于 POST")
    if entry.method in _WITH_RESOURCE and not entry.resource:
        raise bad_request(f"{entry.method} needs a resource", code="required", text="条目缺少资源")
