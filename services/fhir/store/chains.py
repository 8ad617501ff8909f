"""References followed forth and back: http://hl7.org/fhir/R4/search.html#chaining and http://hl7.org/fhir/R4/search.html#has

Where a search has nothing else to go by, the resources referred to are found first and from them those that refer; the planner chooses
how (a list of keys in an array was measured ten thousand times slower for 10,000 of them). Where one patient is named already, each of the
few rows is looked at by itself. What is bound to a patient is joined on the patient and the shard (docs/adr/0005).
"""

from collections.abc import Callable, Iterator

from services.fhir.search.index import patient_parameters
from services.fhir.search.keys import canonical_key, contained_key, text_key
from services.fhir.search.modifiers import parent_parameter
from services.fhir.search.query import Chain, Condition, Has, Match, ReferenceValue
from services.fhir.store.access import live
from services.fhir.store.statement import Rows, Sql, contained_rows, table

Clause = Callable[[Condition, Rows, Sql], str]


def chain_clause(chain: Chain, rows: Rows, sql: Sql, clause: Clause) -> str:
    if rows.few or rows.container:
        return "(" + " OR ".join(_from_each_row(chain, rows, sql, clause)) + ")"
    return f"({rows.name}.id, {rows.name}.shard) IN ({' UNION ALL '.join(_from_targets(chain, rows, sql, clause))})"


def _from_targets(chain: Chain, rows: Rows, sql: Sql, clause: Clause) -> Iterator[str]:
    """The ids of the rows that refer to a target, and of those that contain it."""
    s = Rows(sql.alias(), rows.type)
    for target, condition in chain.targets:
        u = Rows(sql.alias(), target)
        joined = _joined(chain, s, u, sql)
        where = f"{live(u, sql)} AND {live(s, sql)} AND {clause(condition, u, sql)}"
        yield f"SELECT {s.name}.id, {s.name}.shard FROM {table(target)} {u.name} {joined} WHERE {where}"
    inside = sql.bind([contained_key(chain.parameter, target) for target, _ in chain.targets], "text[]")
    found = " OR ".join(_contained(chain, s, sql, clause))
    yield (
        f"SELECT {s.name}.id, {s.name}.shard FROM {table(rows.type)} {s.name} "
        f"WHERE {live(s, sql)} AND {s.name}.tokens && {inside} AND ({found})"
    )


def _joined(chain: Chain, s: Rows, u: Rows, sql: Sql) -> str:
    source = f"JOIN {table(s.type)} {s.name} ON"
    if chain.canonical:
        return f"CROSS JOIN LATERAL {_urls(u)} c {source} {s.name}.tokens && {_canonical_keys(chain.parameter, sql)}"
    if u.type == "Patient" and chain.parameter in patient_parameters(s.type):
        return f"{source} {s.name}.patient = {u.name}.id AND {s.name}.shard = {u.name}.shard"
    return f"{source} {s.name}.tokens && ARRAY[{_start(chain.parameter, u.type, sql)} || {u.name}.id]"


def _from_each_row(chain: Chain, rows: Rows, sql: Sql, clause: Clause) -> Iterator[str]:
    for target, condition in chain.targets:
        u = Rows(sql.alias(), target)
        key = sql.alias()
        if chain.canonical:
            start = sql.bind(canonical_key(chain.parameter, ""), "text")
            found = _is_canonical(f"substr({key}, length({start}) + 1)", u)
        else:
            start = _start(chain.parameter, target, sql)
            found = f"{u.name}.id = substr({key}, length({start}) + 1)"
        yield (
            f"EXISTS (SELECT FROM unnest({rows.name}.tokens) {key} JOIN {table(target)} {u.name} ON {found} "
            f"WHERE starts_with({key}, {start}) AND {live(u, sql)} AND {clause(condition, u, sql)})"
        )
    yield from _contained(chain, rows, sql, clause)


def _contained(chain: Chain, rows: Rows, sql: Sql, clause: Clause) -> Iterator[str]:
    """A chained condition is evaluated inside contained resources too: http://hl7.org/fhir/R4/search.html#contained"""
    container = rows.container or rows.name
    for target, condition in chain.targets:
        u = Rows(sql.alias(), target, container=container)
        local = sql.bind(text_key(chain.parameter, "#"), "text")
        yield (
            f"EXISTS (SELECT FROM {contained_rows(target, container, u.name)} WHERE {u.name}.type = {sql.bind(target, 'text')} "
            f"AND {rows.name}.tokens && ARRAY[{local} || {u.name}.id] AND {clause(condition, u, sql)})"
        )


def has_clause(has: Has, rows: Rows, sql: Sql, clause: Clause) -> str:
    if rows.container:
        return "false"  # nothing outside refers to a contained resource
    u = Rows(sql.alias(), has.source)
    source, where = f"{table(has.source)} {u.name}", f"{live(u, sql)} AND {clause(has.condition, u, sql)}"
    if has.canonical:
        return _has_canonical(has, rows, source, f"{where} AND ", sql, u)
    if rows.type == "Patient" and has.parameter in patient_parameters(has.source):
        return f"EXISTS (SELECT FROM {source} WHERE {u.name}.patient = {rows.name}.id AND {u.name}.shard = {rows.name}.shard AND {where})"
    start = _start(has.parameter, rows.type, sql)
    if rows.few:
        return f"EXISTS (SELECT FROM {source} WHERE {u.name}.tokens && ARRAY[{start} || {rows.name}.id] AND {where})"
    key = sql.alias()
    return (
        f"{rows.name}.id IN (SELECT substr({key}, length({start}) + 1) FROM {source}, unnest({u.name}.tokens) {key} "
        f"WHERE starts_with({key}, {start}) AND {where})"
    )


def _has_canonical(has: Has, rows: Rows, source: str, where: str, sql: Sql, u: Rows) -> str:
    s, key = Rows(sql.alias(), rows.type), sql.alias()
    start = sql.bind(canonical_key(has.parameter, ""), "text")
    found = _is_canonical(f"substr({key}, length({start}) + 1)", s)
    return (
        f"{rows.name}.id IN (SELECT {s.name}.id FROM {source} CROSS JOIN LATERAL unnest({u.name}.tokens) {key} "
        f"JOIN {table(rows.type)} {s.name} ON {found} WHERE {where}{live(s, sql)} AND starts_with({key}, {start}))"
    )


def _start(parameter: str, target: str, sql: Sql) -> str:
    return sql.bind(text_key(parameter, f"{target}/"), "text")


# ---- canonical references: http://hl7.org/fhir/R4/references.html#canonical ------------------------------------------------


def _urls(u: Rows) -> str:
    """The url of a definition, alone and with its version."""
    url = f"(SELECT substr(k, 5) FROM unnest({u.name}.tokens) k WHERE starts_with(k, 'url=') LIMIT 1)"
    version = f"(SELECT substr(k, 10) FROM unnest({u.name}.tokens) k WHERE starts_with(k, 'version=|') LIMIT 1)"
    return f"(SELECT {url} AS url, {version} AS version)"


def _canonical_keys(parameter: str, sql: Sql) -> str:
    start = sql.bind(canonical_key(parameter, ""), "text")
    return f"ARRAY[{start} || c.url, {start} || c.url || '|' || c.version]"


def _is_canonical(text: str, u: Rows) -> str:
    """Does `u` have the url, and the version where one is named?"""
    url, version = f"split_part({text}, '|', 1)", f"split_part({text}, '|', 2)"
    named = f"{u.name}.tokens && ARRAY['url=' || {url}]"
    return f"{named} AND ({version} = '' OR {u.name}.tokens && ARRAY['version=|' || {version}])"


# ---- resources that are part of each other: http://hl7.org/fhir/R4/search.html#modifiers, above and below ------------------


def hierarchy_clause(condition: Match, rows: Rows, sql: Sql) -> str:
    found = [
        _hierarchy(condition, reference, rows, sql)
        for value in condition.values
        if isinstance(value, ReferenceValue)
        for reference in value.references
    ]
    return "(" + " OR ".join(found) + ")"


def _hierarchy(condition: Match, reference: str, rows: Rows, sql: Sql) -> str:
    kind, _, resource_id = reference.partition("/")
    parent = parent_parameter(kind)
    if parent is None or not resource_id:
        return f"{rows.name}.tokens && {sql.bind([text_key(condition.parameter, reference)], 'text[]')}"
    h, u, first = sql.alias(), Rows(sql.alias(), kind), sql.bind(resource_id, "text")
    up = _start(parent, kind, sql)
    if condition.modifier == "below":
        key, step = (
            f"{u.name}.id",
            f"{table(kind)} {u.name} ON {u.name}.tokens && ARRAY[{up} || {h}.id] WHERE {live(u, sql)}",
        )
    else:
        key = f"substr(k, length({up}) + 1)"
        parents = f"{table(kind)} {u.name} ON {u.name}.id = {h}.id, unnest({u.name}.tokens) k"
        step = f"{parents} WHERE {live(u, sql)} AND starts_with(k, {up})"
    s = Rows(sql.alias(), rows.type)
    start = _start(condition.parameter, kind, sql)
    walk = f'SELECT {first} COLLATE "C" UNION SELECT {key} COLLATE "C" FROM {h} JOIN {step}'
    return (
        f"{rows.name}.id IN (WITH RECURSIVE {h} (id) AS ({walk}) SELECT {s.name}.id "
        f"FROM {h} JOIN {table(rows.type)} {s.name} ON {s.name}.tokens && ARRAY[{start} || {h}.id] WHERE {live(s, sql)})"
    )
