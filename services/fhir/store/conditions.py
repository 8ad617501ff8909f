"""One condition of a search as SQL: http://hl7.org/fhir/R4/search.html"""

from typing import Final

from services.fhir.search.query import All, AnyOf, Chain, Condition, Has, Match, Missing, Not
from services.fhir.store.chains import chain_clause, has_clause, hierarchy_clause
from services.fhir.store.matching import BY_KEYS, keys_in, match_clause, missing_clause
from services.fhir.store.statement import Rows, Sql

_HIERARCHIES: Final = frozenset({("reference", "above"), ("reference", "below")})


def clause(condition: Condition, rows: Rows, sql: Sql) -> str:  # noqa: PLR0911 - one for each kind
    match condition:
        case Match(_, type_, modifier):
            compile_ = hierarchy_clause if (type_, modifier) in _HIERARCHIES else match_clause
            return compile_(condition, rows, sql)
        case Missing():
            return missing_clause(condition, rows, sql)
        case Chain():
            return chain_clause(condition, rows, sql, clause)
        case Has():
            return has_clause(condition, rows, sql, clause)
        case Not(inner):
            return f"({clause(inner, rows, sql)}) IS NOT TRUE"
        case All(inside):
            return "(" + " AND ".join(clause(each, rows, sql) for each in inside) + ")"
        case AnyOf(inside):
            return _any_of(inside, rows, sql)


def _any_of(inside: tuple[Condition, ...], rows: Rows, sql: Sql) -> str:
    """What is found by its key is found in one look: the parameters of a compartment."""
    by_key = [
        c for c in inside if isinstance(c, Match) and c.type in BY_KEYS and c.modifier is None and c.parameter != "_id"
    ]
    keys = [key for each in by_key for key in keys_in(each)]
    found = [f"{rows.name}.tokens && {sql.bind(keys, 'text[]')}"] if keys else []
    found += [clause(each, rows, sql) for each in inside if each not in by_key]
    return "(" + " OR ".join(found) + ")"
