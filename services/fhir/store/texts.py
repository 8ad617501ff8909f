"""Strings, the places of URIs and the words of a full text search: http://hl7.org/fhir/R4/search.html#string

Strings and words stand under GIN as lexemes, so a prefix of any length is an index scan; `:contains` and the like look at each row.
"""

from typing import Final

from services.fhir.search.keys import exact_key, string_key, text_key
from services.fhir.search.names import places
from services.fhir.search.query import Match, StringValue, UriValue, Words
from services.fhir.search.words import NARRATIVE
from services.fhir.store.statement import Rows, Sql

_SIGNS: Final = {"unequal": "<>", "greater": ">", "less": "<", "not-greater": "<=", "not-less": ">="}


def string_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    values = [v for v in condition.values if isinstance(v, StringValue)]
    start = string_key(condition.parameter, "")
    match condition.modifier:
        case "exact":
            keys = [exact_key(condition.parameter, v.text) for v in values]
            return f"{rows.name}.tokens && {sql.bind(keys, 'text[]')}"
        case "contains":
            asked = [each for v in values for each in places(condition.parameter, v)]
            return _like([f"{string_key(place, '')}%{_literal(text)}%" for place, text in asked], rows, sql)
        case "ends":
            return _like([f"{start}%{_literal(v.normalized)}" for v in values], rows, sql)
        case "equal":
            lexemes = " | ".join(_lexeme(string_key(condition.parameter, v.normalized)) for v in values)
            return f"array_to_tsvector({rows.name}.strings) @@ {sql.bind(lexemes, 'text')}::tsquery"
        case "unequal" | "greater" | "less" | "not-greater" | "not-less":
            return _compared(condition, values, rows, sql)
        case _:
            asked = [each for v in values for each in places(condition.parameter, v)]
            lexemes = " | ".join(f"{_lexeme(string_key(place, text))}:*" for place, text in asked)
            return f"array_to_tsvector({rows.name}.strings) @@ {sql.bind(lexemes, 'text')}::tsquery"


def _compared(condition: Match, values: list[StringValue], rows: Rows, sql: Sql) -> str:
    """By code point: `some value of the parameter is greater`."""
    sign = _SIGNS[condition.modifier or ""]
    start = sql.bind(string_key(condition.parameter, ""), "text")
    keys = sql.bind([string_key(condition.parameter, v.normalized) for v in values], "text[]")
    return f"EXISTS (SELECT FROM unnest({rows.name}.strings) s WHERE starts_with(s, {start}) AND s {sign} ANY({keys}))"


def _like(patterns: list[str], rows: Rows, sql: Sql) -> str:
    return f"EXISTS (SELECT FROM unnest({rows.name}.strings) s WHERE s LIKE ANY({sql.bind(patterns, 'text[]')}))"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _lexeme(text: str) -> str:
    """Quoted for `tsquery`: https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY"""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def below_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    """A URI and those whose path it begins; of a canonical with a version, the versions that it begins."""
    uris = [v.uri for v in condition.values if isinstance(v, UriValue)]
    same = sql.bind([text_key(condition.parameter, uri) for uri in uris], "text[]")
    starts = [
        text_key(condition.parameter, uri + ("." if "|" in uri else "" if uri.endswith("/") else "/")) for uri in uris
    ]
    begun = f"SELECT FROM unnest({rows.name}.tokens) k, unnest({sql.bind(starts, 'text[]')}) b WHERE starts_with(k, b)"
    return f"({rows.name}.tokens && {same} OR EXISTS ({begun}))"


def words_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    """`_text` asks the narrative, `_content` everything: its words that stand outside it, and the narrative's."""
    marks = (NARRATIVE,) if condition.parameter == "_text" else ("", NARRATIVE)
    lexemes = " | ".join(_words(v, marks) for v in condition.values if isinstance(v, Words))
    return f"array_to_tsvector({rows.name}.words) @@ {sql.bind(lexemes, 'text')}::tsquery"


def _words(words: Words, marks: tuple[str, ...]) -> str:
    if words.operator == "not":
        return f"!{_words(words.parts[0], marks)}"
    if words.operator:
        return "(" + (" & " if words.operator == "and" else " | ").join(_words(p, marks) for p in words.parts) + ")"
    each = ("(" + " | ".join(f"{_lexeme(mark + word)}:*" for mark in marks) + ")" for word in words.words)
    return "(" + " & ".join(each) + ")"
