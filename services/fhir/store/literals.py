"""PostgreSQL's own text form of values that travel inside arrays: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from services.fhir.search.index import QuantityIndex


def array_literal(items: Iterable[str]) -> str:
    return "{" + ",".join([_quoted(item) for item in items]) + "}"


def _quoted(item: str) -> str:
    if "\\" in item or '"' in item:
        item = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{item}"'


def ranges_literal(ranges: Sequence[tuple[datetime, datetime]]) -> str:
    return array_literal(f'["{lo.isoformat()}","{hi.isoformat()}")' for lo, hi in ranges)


def quantities_literal(quantities: Sequence[QuantityIndex]) -> str | None:
    """A JSON list; bounds keep every digit as JSON numbers, an open end is null."""
    if not quantities:
        return None
    return "[" + ",".join(_quantity(q) for q in quantities) + "]"


def _quantity(q: QuantityIndex) -> str:
    texts = "".join(
        f',"{key}":{json.dumps(value)}'
        for key, value in (("s", q.system), ("c", q.code), ("u", q.unit))
        if value is not None
    )
    return f'{{"p":"{q.param}","lo":{_number(q.lo)},"hi":{_number(q.hi)}{texts}}}'


def _number(value: Decimal) -> str:
    return str(value) if value.is_finite() else "null"
