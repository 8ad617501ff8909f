"""What scopes that grant a type in part leave of its rows, as SQL (docs/adr/0049)."""

from services.fhir.access.limits import Limits
from services.fhir.search.query import Condition, Match, Missing
from services.fhir.store.matching import match_clause, missing_clause
from services.fhir.store.statement import Rows, Sql, Subject, table
from services.fhir.store.tables import stored_types


def within(row: Subject, limits: Limits, sql: Sql) -> str:
    if row.type is not None:
        return _granted(row, row.type, limits, sql)
    of_each = "".join(
        f"WHEN '{t}' THEN {_granted(row, t, limits, sql)} " for t in limits.limited(sql.letters) if t in stored_types()
    )
    return f"CASE {row.kind} {of_each}ELSE true END" if of_each else "true"


def _granted(row: Subject, resource_type: str, limits: Limits, sql: Sql) -> str:
    """A deletion has nothing by which it could be granted; a version of the past is as far as what became of it."""
    asked = [each for letter in sql.letters if (each := limits.asked(resource_type, letter)) is not None]
    if not asked:
        return "true"
    name = sql.alias() if row.is_past else row.name
    rows = Rows(name, resource_type)
    found = " AND ".join("(" + " OR ".join(_all(each, rows, sql) for each in one) + ")" for one in asked if one)
    if not all(asked):
        return "false"
    matched = f"NOT {name}.deleted AND ({found}) IS TRUE"
    if not row.is_past:
        return f"({matched})"
    return f"EXISTS (SELECT FROM {table(resource_type)} {name} WHERE {name}.id = {row.name}.id AND {matched})"


def _all(conditions: tuple[Condition, ...], rows: Rows, sql: Sql) -> str:
    return "(" + " AND ".join(_one(each, rows, sql) for each in conditions) + ")"


def _one(condition: Condition, rows: Rows, sql: Sql) -> str:
    match condition:
        case Match():
            return match_clause(condition, rows, sql)
        case Missing():
            return missing_clause(condition, rows, sql)
        case _:
            raise TypeError(type(condition).__name__)
