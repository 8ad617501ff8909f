"""PostgreSQL's own text form of values that travel inside arrays: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.fhir.search.index import CompositeIndex, ContainedIndex, IndexRow, QuantityIndex, date_parameters

Range = tuple[datetime, datetime]

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def array_literal(items: Iterable[str]) -> str:
    return "{" + ",".join([_quoted(item) for item in items]) + "}"


def _quoted(item: str) -> str:
    if "\\" in item or '"' in item:
        item = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{item}"'


def ranges_literal(ranges: Sequence[Range]) -> str:
    return array_literal(_range(r) for r in ranges)


def _range(bounds: Range) -> str:
    return f'["{bounds[0].isoformat()}","{bounds[1].isoformat()}")'


def quantities_literal(quantities: Sequence[QuantityIndex]) -> str | None:
    """A JSON list; bounds keep every digit as JSON numbers."""
    return _json(_quantities(quantities))


def composites_literal(composites: Sequence[CompositeIndex]) -> str | None:
    """A JSON list; the parts of an entry by number: keys `k0`, strings `s0`, dates `d0`, quantities `q0`."""
    return _json(_composites(composites))


def contained_literal(contained: Sequence[ContainedIndex]) -> str | None:
    """A JSON list; each entry has the columns of the table of its type."""
    return _json([{"id": c.id, "type": c.type} | _columns(c.type, c.row) for c in contained])


def _json(entries: Sequence[Any]) -> str | None:
    return _encode(entries).decode() if entries else None


def _quantities(quantities: Sequence[QuantityIndex]) -> list[dict[str, Any]]:
    """One entry for each measure, with all parameters that have it; an end that is the other one too is left out."""
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    for q in quantities:
        measure = (q.lo, q.hi, q.system, q.code, q.unit)
        if measure not in entries:
            entries[measure] = ({"p": []} if q.param else {}) | _quantity(q)
        if q.param:
            entries[measure]["p"].append(q.param)
    return [*entries.values()]


def _quantity(q: QuantityIndex) -> dict[str, Any]:
    entry = {"lo": _number(q.lo)} if q.lo == q.hi else {"lo": _number(q.lo), "hi": _number(q.hi)}
    entry |= {key: value for key, value in (("s", q.system), ("c", q.code), ("u", q.unit)) if value is not None}
    if q.dimension is not None and q.base_lo is not None and q.base_hi is not None:
        entry |= {"d": q.dimension, "v": _number(q.base_lo)}
        entry |= {"w": _number(q.base_hi)} if q.base_hi != q.base_lo else {}
    return entry


def _number(value: Decimal) -> Any:
    return value if value.is_finite() else str(value)  # "Infinity", which JSON has no number for


def _composites(composites: Sequence[CompositeIndex]) -> list[dict[str, Any]]:
    return [
        {"p": c.params} | {k: v for n, part in enumerate(c.parts) for k, v in _part(n, part).items() if v}
        for c in composites
    ]


def _part(n: int, part: IndexRow) -> dict[str, Any]:
    return {
        f"k{n}": part.tokens,
        f"s{n}": part.strings,
        f"d{n}": [_range(r) for d in part.dates.values() for r in d.each or [(d.lo, d.hi)]],
        f"q{n}": _quantities(part.quantities),
    }


def _columns(resource_type: str, row: IndexRow) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "patient": row.patient,
        "tokens": row.tokens,
        "strings": row.strings,
        "words": row.words,
        "quantities": _quantities(row.quantities),
        "composites": _composites(row.composites),
    }
    for each in date_parameters(resource_type):
        if found := row.dates.get(each.code):
            columns |= {f"{each.column}_lo": found.lo.isoformat(), f"{each.column}_hi": found.hi.isoformat()}
            if found.each:
                columns[f"{each.column}_each"] = [_range(r) for r in found.each]
    return columns
