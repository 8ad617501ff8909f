"""A batch or transaction as it came in: http://hl7.org/fhir/R4/bundle.html and http://hl7.org/fhir/R4/http.html#transaction"""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from services.fhir.outcomes import FhirError, Issue, bad_request
from services.fhir.validation import parse, validate

METHODS: Final = ("DELETE", "POST", "PUT", "GET", "HEAD")
_ORDER: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}


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
    """One entry: `type`, `id` and `rest` (the path behind them) of its URL, its body as sent and parsed."""

    index: int
    method: str
    target: str
    type: str
    id: str
    rest: str
    query: str
    full_url: str
    if_match: str | None
    if_none_match: str | None
    raw: bytes
    resource: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Envelope)


def open_envelope(body: bytes, base: str, max_entries: int) -> tuple[str, list[Entry]]:
    """The type of the bundle and its entries in the order sent; each resource is validated later, by its owner."""
    bundle = parse(body, "Bundle")
    _check_frame(bundle)
    envelope = _decode.decode(body)
    if envelope.type not in ("batch", "transaction"):
        raise bad_request(
            "Only a batch or a transaction can be posted to the base",
            code="value",
            text="仅接受 batch 或 transaction",
            expression=("Bundle.type",),
        )
    if len(envelope.entry) > max_entries:
        raise bad_request(
            f"At most {max_entries} entries",
            code="too-costly",
            text=f"条目不能超过 {max_entries} 个",
            expression=("Bundle.entry",),
        )
    resources = [e.get("resource", {}) for e in bundle.get("entry", ())]
    return envelope.type, [
        _entry(n, e, r, base) for n, (e, r) in enumerate(zip(envelope.entry, resources, strict=True))
    ]


def in_processing_order(entries: list[Entry]) -> list[Entry]:
    """DELETE, POST, PUT, GET, whatever the order sent: http://hl7.org/fhir/R4/http.html#trules"""
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


def _entry(index: int, entry: _Entry, resource: dict[str, Any], base: str) -> Entry:
    request = entry.request
    if request is None:
        raise at_entry(bad_request("Each entry needs a request", code="required", text="条目缺少 request"), index)
    if request.method not in METHODS:
        raise at_entry(
            bad_request(f"{request.method} is not supported in an entry", code="not-supported", text="不支持该方法"),
            index,
        )
    if request.if_none_exist is not None or request.if_modified_since is not None:
        raise at_entry(
            bad_request("Conditional entries are not supported", code="not-supported", text="暂不支持条件条目"), index
        )
    url = request.url.removeprefix(base).lstrip("/")
    parts = urlsplit(url)
    kind, _, rest = parts.path.partition("/")
    resource_id, _, rest = rest.partition("/")
    _check_target(request.method, parts.query, kind, resource_id, rest, entry, index)
    return Entry(
        index=index,
        method=request.method,
        target=url,
        type=kind,
        id=resource_id,
        rest=rest,
        query=parts.query,
        full_url=entry.full_url,
        if_match=request.if_match,
        if_none_match=request.if_none_match,
        raw=bytes(entry.resource),
        resource=resource,
    )


def _check_target(method: str, query: str, kind: str, resource_id: str, rest: str, entry: _Entry, index: int) -> None:
    writes = method in ("POST", "PUT", "DELETE")
    if writes and query:
        raise at_entry(
            bad_request("Conditional writes are not supported", code="not-supported", text="暂不支持条件写入"), index
        )
    if not kind or (writes and (rest or bool(resource_id) is (method == "POST"))):
        raise at_entry(
            bad_request(f"{method}: not a URL to {method} to", code="value", text="条目网址与方法不符"), index
        )
    if method in ("POST", "PUT") and not bytes(entry.resource):
        raise at_entry(bad_request(f"{method} needs a resource", code="required", text="条目缺少资源"), index)
