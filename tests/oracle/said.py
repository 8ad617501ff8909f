"""How a search could name a value that is there: http://hl7.org/fhir/R4/search.html#ptypes"""

from collections.abc import Iterator
from typing import Any, Final

from tests.oracle.compare import codings, name_parts, ways

PREFIXES: Final = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def said(kind: str, value: Any, modifier: str) -> Iterator[str]:
    match kind:
        case "string":
            yield from (value, value[:2].strip(), value.upper()) if modifier != "exact" else (value,)
        case "name":
            parts = [part for part in name_parts(value) if part]
            yield from (text for part in parts for text in said("string", part, modifier))
            yield from (way for way in ways(value) if way)
        case "token" if modifier == "text":
            yield from _texts(value)
        case "token" if modifier == "of-type":
            types = value.get("type", {}).get("coding", ())
            yield from (f"{t['system']}|{t['code']}|{value['value']}" for t in types if "system" in t)
        case "token":
            yield from _tokens(value)
        case "reference":
            yield from _references(value, modifier)
        case "uri":
            yield {"below": value.rpartition("/")[0] or value, "above": f"{value}/x"}.get(modifier, value)
        case "date":
            moments = [value] if isinstance(value, str) else [*value.values()]
            yield from (p + each.replace("+", "%2B") for each in moments for p in PREFIXES if p != "ap")
        case _:
            yield from _measures(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["text"]] if "text" in value else [])
        yield from (each["display"][:1] for each in value.get("coding", ()) if "display" in each)


def _tokens(value: Any) -> Iterator[str]:
    for system, code in codings(value):
        if code:
            yield code
            yield from (f"{system or ''}|{code}",) if isinstance(value, dict) else ()
        if system:
            yield f"{system}|"


def _references(value: Any, modifier: str) -> Iterator[str]:
    if modifier == "identifier":
        yield from _tokens(value["identifier"]) if "identifier" in value else ()
    elif "reference" in value and not value["reference"].startswith("#"):
        kind, _, resource_id = value["reference"].partition("/")
        if modifier in ("above", "below"):
            yield from (value["reference"],) if kind == "Organization" else ()
            return
        yield from (value["reference"], resource_id) if not modifier else (resource_id,) if kind == modifier else ()


def _measures(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield from (f"{p}{value}" for p in PREFIXES)
    elif "value" in value:
        unit = (
            f"|{value.get('system', '')}|{value['code']}"
            if "code" in value
            else f"||{value.get('unit', '')}"
            if "unit" in value
            else ""
        )
        yield from (f"{p}{value['value']}{u}" for p in PREFIXES for u in {unit, ""})
    else:
        yield from (f"{p}{end['value']}" for end in value.values() for p in PREFIXES)
