"""What a section refers to as tables, a kind of resource each; what has no table of its own stays a line: http://hl7.org/fhir/R4/resourcelist.html"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.fhir.pages import entries, values, words
from services.fhir.pages.line import Resolve, status
from services.fhir.pages.sheet import Block, Grid, Paragraph

Json = dict[str, Any]
Cells = tuple[str, ...]


class Table(NamedTuple):
    name: str
    head: Cells
    cells: Callable[[Json, Resolve, ZoneInfo], Cells]


def tables(resources: Sequence[Json], resolve: Resolve, zone: ZoneInfo) -> Iterator[Block]:
    """In the order of the section; neighbours of one kind share a table."""
    told = [resource for resource in resources if not entries.is_wrong(resource)]
    for table, several in groupby(told, key=lambda resource: _TABLES.get(resource.get("resourceType", ""))):
        if table is None:
            lines = (entries.line(resource, resolve, zone) for resource in several)
            yield from (Paragraph(each.text) for each in lines if each)
        else:
            yield Grid(table.head, tuple(_row(table.cells(each, resolve, zone), each) for each in several))


def _row(cells: Cells, resource: Json) -> Cells:
    """What says nothing of itself leaves a trace all the same."""
    return (cells[0] or entries.unnamed(resource), *cells[1:])


def _observation(resource: Json, _: Resolve, zone: ZoneInfo) -> Cells:
    result = values.result(resource, zone)
    noted = "".join(f"（{text}）" for text in (status(resource),) if text)
    normal = values.reference_range(resource)
    return words.concept(resource.get("code")), f"{result}{noted}", normal, values.effective(resource, zone)


def _medication(resource: Json, resolve: Resolve, _: ZoneInfo) -> Cells:
    return (
        entries.medicine(resource, resolve),
        entries.dosage(resource),
        entries.course(resource) or _TAKEN.get(resource.get("status", ""), ""),
    )


def _allergy(resource: Json, _: Resolve, __: ZoneInfo) -> Cells:
    judged = entries.judged(resource)
    return words.concept(resource.get("code")), entries.reactions(resource), entries.risk(resource), judged


def _condition(resource: Json, _: Resolve, zone: ZoneInfo) -> Cells:
    return words.concept(resource.get("code")), entries.onset(resource, zone), entries.judged(resource)


_TAKEN: Final = {"active": "在用"}
_MEDICATION: Final = Table("medication", ("药品", "用法用量", "状态"), _medication)
_TABLES: Final[Mapping[str, Table]] = {
    "Observation": Table("observation", ("项目", "结果", "参考范围", "时间"), _observation),
    "MedicationStatement": _MEDICATION,
    "MedicationRequest": _MEDICATION,
    "MedicationAdministration": _MEDICATION,
    "MedicationDispense": _MEDICATION,
    "AllergyIntolerance": Table("allergy", ("过敏原", "反应", "风险", "状态"), _allergy),
    "Condition": Table("condition", ("诊断", "起病", "状态"), _condition),
}
