"""Another value than those that are asked for: `ne` of https://www.hl7.org/fhir/R4/search_filter.html"""

from services.fhir.search.keys import keys_of
from services.fhir.search.query import Match, TokenValue
from services.fhir.store.statement import Rows, Sql

_WITHOUT_SYSTEM = r"^([^|\\]|\\[|\\])*$"  # `|` in a code is escaped, so a bare one ends a system (search/keys.py)


def unequal_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    """Some value of the parameter is another one: of the forms of a token those that are asked, bare or with a system."""
    keys = [key for value in condition.values for key in keys_of(condition.parameter, value)]
    start, others = sql.bind(f"{condition.parameter}=", "text"), sql.bind(keys, "text[]")
    found = f"SELECT FROM unnest({rows.name}.tokens) k WHERE starts_with(k, {start}) AND k <> ALL({others})"
    if condition.type == "token":
        bare = all(isinstance(v, TokenValue) and v.system is None for v in condition.values)
        found += f" AND k {'~' if bare else '!~'} {sql.bind(_WITHOUT_SYSTEM, 'text')}"
        if not bare:
            found += " AND k !~ '\\|$'"
    return f"EXISTS ({found})"
