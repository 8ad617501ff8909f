"""The value of an element `value[x]` and of an Observation, in words: http://hl7.org/fhir/R4/observation.html"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.fhir.pages import words

Json = dict[str, Any]

_FLAGS: Final = {
    "H": "↑", "HH": "↑↑ 危急", "HU": "↑↑", "L": "↓", "LL": "↓↓ 危急", "LU": "↓↓", "A": "异常", "AA": "异常 危急",
    "POS": "阳性", "NEG": "阴性", "N": "",
}  # fmt: skip
_PLAIN: Final[Mapping[str, Callable[[Any], str]]] = {
    "Quantity": words.quantity,
    "CodeableConcept": words.concept,
    "String": words.clean,
    "Boolean": lambda value: "是" if value else "否",
    "Integer": words.number,
    "Decimal": words.number,
    "Range": words.span,
    "Ratio": words.ratio,
}
_DATED: Final[Mapping[str, Callable[[Any, ZoneInfo], str]]] = {
    "DateTime": words.when,
    "Date": words.when,
    "Period": words.period,
}


def value(element: Json, zone: ZoneInfo, name: str = "value") -> str:
    """Whatever `value[x]` is there; why it is not, where that is said."""
    for kind, said in _PLAIN.items():
        if f"{name}{kind}" in element:
            return said(element[f"{name}{kind}"])
    for kind, dated in _DATED.items():
        if f"{name}{kind}" in element:
            return dated(element[f"{name}{kind}"], zone)
    return words.concept(element.get("dataAbsentReason"))


def result(observation: Json, zone: ZoneInfo) -> str:
    """A blood pressure tells its two components, a score what it means."""
    parts = [
        f"{words.concept(each.get('code'))} {value(each, zone)}{_flag(each)}"
        for each in observation.get("component", ())
    ]
    own = value(observation, zone)
    return "；".join(filter(None, (f"{own}{_flag(observation)}" if own else "", *parts)))


def _flag(element: Json) -> str:
    codes = [c.get("code", "") for i in element.get("interpretation", ()) for c in i.get("coding", ())]
    told = next((_FLAGS[code] for code in codes if code in _FLAGS), None)
    text = words.concepts(element.get("interpretation", ())) if told is None else told
    return f" {text}" if text else ""


def reference_range(observation: Json) -> str:
    return "；".join(
        filter(None, (words.clean(r.get("text")) or words.span(r) for r in observation.get("referenceRange", ())))
    )


def effective(observation: Json, zone: ZoneInfo) -> str:
    return value({k: v for k, v in observation.items() if k.startswith("effective")}, zone, "effective") or words.when(
        observation.get("effectiveInstant"), zone
    )
