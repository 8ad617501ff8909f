"""The rows behind a page: http://hl7.org/fhir/R4/http.html#paging"""

from collections.abc import Sequence
from typing import Any

from services.fhir.store.sorting import Order
from services.fhir.store.statement import Sql


def behind(orders: Sequence[Order], after: Sequence[Any], sql: Sql) -> str:
    """Rows that sort after the last one of the page before: equal in the first keys and behind in the next, nulls last."""
    alternatives, equal = [], []
    for order, value in zip(orders, after, strict=True):
        if value is None:
            equal.append(f"{order.expression} IS NULL")
            continue
        bound = sql.bind(value, order.kind)
        sign = "<" if order.descending else ">"
        later = f"{order.expression} {sign} {bound}" + ("" if order.unique else f" OR {order.expression} IS NULL")
        alternatives.append(" AND ".join([*equal, f"({later})"]))
        equal.append(f"{order.expression} = {bound}")
    return "(" + " OR ".join(alternatives) + ")"
