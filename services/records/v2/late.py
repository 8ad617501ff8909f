"""What comes late is told by its state and its time: a result that is finished, an order that has ended, stay so (HL7 v2 tables 0085, 0123)."""

from datetime import datetime
from typing import Any, Final

from services.records.v2.faults import DUPLICATE_KEY, Place
from services.records.v2.work import Work

Json = dict[str, Any]

_BEGUN: Final = frozenset({"registered", "preliminary", "partial"})
_MENDED: Final = frozenset({"amended", "corrected", "appended", "cancelled", "entered-in-error"})
_OVER: Final = frozenset({"revoked", "completed", "entered-in-error"})


def is_late_result(said: Json, known: Json) -> bool:
    """Of a report or an Observation: finished before begun; then by `issued` (OBR-22, else MSH-7); then mended before plain."""
    if (is_begun := said["status"] in _BEGUN) != (known["status"] in _BEGUN):
        return is_begun
    age = _age(said.get("issued"), known.get("issued"))
    return age < 0 or (age == 0 and _rank(said["status"]) < _rank(known["status"]))


def is_late_order(said: Json, known: Json) -> bool:
    """An end before all else; then by `authoredOn` (ORC-9, else MSH-7)."""
    if (is_over := known["status"] in _OVER) != (said["status"] in _OVER):
        return is_over
    return _age(said.get("authoredOn"), known.get("authoredOn")) < 0


def tell(place: Place, work: Work) -> None:
    work.warn(place, DUPLICATE_KEY, "what is known is newer, and stays", "已有更新的内容，本条未覆盖")


def _age(said: str | None, known: str | None) -> float:
    """Seconds by which it is newer; 0 where one of them is not known to the second."""
    if not said or not known or "T" not in said or "T" not in known:
        return 0.0
    return (datetime.fromisoformat(said) - datetime.fromisoformat(known)).total_seconds()


def _rank(status: str) -> int:
    """Among those of one time: registered comes before preliminary, final before corrected."""
    return 0 if status == "registered" else 2 if status in _MENDED else 1
