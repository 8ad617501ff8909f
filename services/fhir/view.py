"""A part of a resource, cut from its text: http://hl7.org/fhir/R4/search.html#summary and http://hl7.org/fhir/R4/search.html#elements

No value is parsed and written again, so what is told keeps its digits (docs/adr/0003). What is mandatory is always told, and the tag
SUBSETTED says that there is more.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from services.fhir.definitions import Element, property_of, summary_elements, type_definition
from services.fhir.search.controls import parse_elements, parse_summary, view_of
from services.fhir.search.query import View
from services.fhir.search.refusals import invalid

Members = dict[str, msgspec.Raw]

SUBSETTED: Final = (
    '{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED",'
    '"display":"Resource encoded in summary mode"}'
)
_ALWAYS: Final = frozenset({"resourceType", "id", "meta"})
_LOCAL: Final = re.compile(rb'"reference"\s*:\s*"#')

_members: Final = msgspec.json.Decoder(Members).decode
_list_of_members: Final = msgspec.json.Decoder(list[Members]).decode
_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def requested_view(resource_type: str, parameters: Iterable[tuple[str, str]]) -> View | None:
    """What `_summary` and `_elements` ask of a read; a count of one resource is not a view of it."""
    given = {name: value for name, value in parameters if name in ("_summary", "_elements") and value}
    summary = parse_summary(given["_summary"]) if "_summary" in given else None
    if summary == "count":
        raise invalid("_summary", "a read has no count", "读取单个资源时不能为 count")
    return view_of(summary, parse_elements((resource_type,), given["_elements"]) if "_elements" in given else None)


def viewed(body: str, view: View) -> str:
    members = _members(body.encode())
    resource_type = msgspec.json.decode(members["resourceType"], type=str)
    kept = _kept(members, resource_type, _test(view, resource_type), deep=view.summary == "true")
    if "contained" in members and "contained" not in kept and any(_LOCAL.search(bytes(raw)) for raw in kept.values()):
        kept["contained"] = members["contained"]
    kept["meta"] = msgspec.Raw(_marked(members.get("meta")).encode())
    return _joined({name: kept[name] for name in members if name in kept} | kept)


def contained_in(body: str, inner_id: str) -> str:
    """The text of a contained resource."""
    for each in _list(_members(body.encode())["contained"]):
        if msgspec.json.decode(_members(each).get("id", msgspec.Raw(b'""')), type=str) == inner_id:
            return bytes(each).decode()
    raise KeyError(inner_id)


def _test(view: View, resource_type: str) -> Callable[[Element], bool]:
    match view.summary:
        case "true":
            return _in_summary(resource_type)
        case "data":
            return lambda element: element.name != "text"
        case "text":
            return lambda element: element.name == "text" or element.min > 0
        case _:
            return lambda element: element.name in view.elements or element.min > 0


def _in_summary(type_name: str) -> Callable[[Element], bool]:
    summary = summary_elements(type_name)
    return lambda element: not summary or element.name in summary or element.min > 0


def _kept(members: Members, type_name: str, test: Callable[[Element], bool], *, deep: bool) -> Members:
    kept: Members = {}
    for name, raw in members.items():
        found = property_of(type_name, name.removeprefix("_"))
        if name in _ALWAYS and "." not in type_name:
            kept[name] = raw
        elif found and test(found[0]):
            told = _summarised(raw, found[1]) if deep and not name.startswith("_") else raw
            kept |= {name: told} if told is not None else {}
    return kept


def _summarised(raw: msgspec.Raw, type_name: str) -> msgspec.Raw | None:
    """Inside a backbone element the same rule holds; a data type is told as a whole. None when nothing is left."""
    if "." not in type_name or type_definition(type_name).kind != "backbone":
        return raw
    test, is_list = _in_summary(type_name), bytes(raw)[:1] == b"["
    kept = [_kept(each, type_name, test, deep=True) for each in (_list_of_members(raw) if is_list else [_members(raw)])]
    told = ",".join(_joined(each) for each in kept if each)
    return msgspec.Raw((f"[{told}]" if is_list else told).encode()) if told else None


def _marked(meta: msgspec.Raw | None) -> str:
    members = _members(meta) if meta is not None else {}
    tags = bytes(members["tag"]).decode().strip()[1:-1].strip() if "tag" in members else ""
    members["tag"] = msgspec.Raw(f"[{tags + ',' if tags else ''}{SUBSETTED}]".encode())
    return _joined(members)


def _joined(members: Members) -> str:
    return "{" + ",".join([f'"{name}":{bytes(value).decode()}' for name, value in members.items()]) + "}"
