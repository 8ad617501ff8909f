"""What one parameter asks of a resource alone, as SQL: http://hl7.org/fhir/R4/search.html"""

from collections.abc import Callable, Mapping
from typing import Final

from services.fhir.search.keys import keys_of, string_key
from services.fhir.search.query import Match, Missing, TokenValue
from services.fhir.store import ranges
from services.fhir.store.composites import composite_clause
from services.fhir.store.keys import unequal_clause
from services.fhir.store.statement import Rows, Sql
from services.fhir.store.texts import below_clause, string_clause, words_clause

BY_KEYS: Final = frozenset({"token", "reference", "uri"})
_BY_TERMINOLOGY: Final = frozenset({"in", "not-in", "above", "below"})  # interactions/codes.py makes codes of them


def match_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    if condition.parameter == "_id":
        return _ids(condition, rows, sql)
    if condition.parameter == "_lastUpdated":
        return ranges.any_of(condition.values, lambda v: ranges.instant(rows.updated, v, sql))
    compile_ = _MODIFIED.get((condition.type, condition.modifier)) or _BY_TYPE.get(condition.type, ranges.clause)
    return compile_(condition, rows, sql)


def missing_clause(condition: Missing, rows: Rows, sql: Sql) -> str:
    present = _present(condition, rows, sql)
    return f"NOT ({present})" if condition.missing else present


def keys_in(condition: Match) -> list[str]:
    return [key for value in condition.values for key in keys_of(condition.parameter, value)]


def _key_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    if condition.modifier in _BY_TERMINOLOGY:
        raise TypeError(f"{condition.parameter}:{condition.modifier} has not been resolved to codes")
    found = f"{rows.name}.tokens && {sql.bind(keys_in(condition), 'text[]')}"
    return f"NOT ({found})" if condition.modifier == "not" else found


def _ids(condition: Match, rows: Rows, sql: Sql) -> str:
    ids = [v.code for v in condition.values if isinstance(v, TokenValue)]
    found = f"{rows.name}.id = ANY({sql.bind(ids, 'text[]')})"
    return f"NOT ({found})" if condition.modifier == "not" else found


def _present(condition: Missing, rows: Rows, sql: Sql) -> str:
    if condition.parameter in ("_id", "_lastUpdated"):
        return "true"
    if condition.type in BY_KEYS:
        starts = sql.bind([f"{condition.parameter}=", f"{condition.parameter}:"], "text[]")
        return f"EXISTS (SELECT FROM unnest({rows.name}.tokens) k, unnest({starts}) p WHERE starts_with(k, p))"
    if condition.type == "string":
        start = sql.bind(string_key(condition.parameter, ""), "text")
        return f"EXISTS (SELECT FROM unnest({rows.name}.strings) s WHERE starts_with(s, {start}))"
    return ranges.present(condition, rows, sql)


Compile = Callable[[Match, Rows, Sql], str]

_BY_TYPE: Final[Mapping[str, Compile]] = {
    "token": _key_clause,
    "reference": _key_clause,
    "uri": _key_clause,
    "string": string_clause,
    "text": words_clause,
    "composite": composite_clause,
}
_MODIFIED: Final[Mapping[tuple[str, str | None], Compile]] = {
    ("token", "unequal"): unequal_clause,
    ("uri", "unequal"): unequal_clause,
    ("uri", "below"): below_clause,
}
