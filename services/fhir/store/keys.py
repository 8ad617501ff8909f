"""The elements of `tokens` that a value asks for: http://hl7.org/fhir/R4/search.html#token"""

from services.fhir.search.keys import of_type_key, text_key, token_key
from services.fhir.search.query import Match, OfTypeValue, ReferenceValue, TokenValue, UriValue, Value
from services.fhir.store.statement import Rows, Sql

_WITHOUT_SYSTEM = r"^([^|\\]|\\[|\\])*$"  # `|` in a code is escaped, so a bare one ends a system (search/keys.py)


def keys_of(parameter: str, value: Value) -> tuple[str, ...]:
    match value:
        case TokenValue(system, code):
            return (token_key(parameter, system, code),)
        case ReferenceValue(references):
            return tuple(text_key(parameter, r) for r in references)
        case UriValue(uri):
            return (text_key(parameter, uri),)
        case OfTypeValue(system, code, text):
            return (of_type_key(parameter.removesuffix(":of-type"), system, code, text),)
        case _:
            raise TypeError(type(value).__name__)


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
