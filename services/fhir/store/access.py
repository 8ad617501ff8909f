"""The access predicate: the one condition of every statement that reads resources (docs/adr/0011).

A row is seen by the organization that made it; by an organization with a live basis for each patient that the row is about, unless the
patient denies it or a label asks for more clearance; and by all where it belongs to the directory. What a patient's own search asks of the
patient is asked once per statement, all else once per row, by primary key and shard.
"""

from typing import Final

from services.fhir.access.directory import directory_types
from services.fhir.access.patients import patient_codes
from services.fhir.search.index import patient_parameter
from services.fhir.store.limits import within
from services.fhir.store.statement import Rows, Sql, Subject

_ZONE: Final = "Asia/Shanghai"  # in which dates without a zone are read
_INDIRECT: Final = frozenset({"Patient", "Bundle", "Binary"})  # whose patients no parameter of their own tells


def live(rows: Rows, sql: Sql) -> str:
    """What every statement asks of a row before anything else: that it is there, as far as the caller may know (docs/adr/0011)."""
    return f"NOT {rows.name}.deleted AND {visible(Subject(rows.name, rows.type, *rows.bound), sql)}"


def visible(row: Subject, sql: Sql, *, writing: bool = False) -> str:
    """`writing`: what the caller may change too; a basis that only reads does not count, and the store looks what scopes leave of it."""
    seen = _in_reach(row, sql, writing=writing)
    limits = sql.access.limits
    return seen if limits is None or writing or sql.access.is_system else f"({seen} AND {within(row, limits, sql)})"


def _in_reach(row: Subject, sql: Sql, *, writing: bool) -> str:
    access = sql.access
    if access.is_system:
        return "true"
    if access.person is not None:
        return _to_person(row, sql, writing=writing)
    if access.proxy is not None:
        return _to_organization(row, sql, writing=writing)
    key = (
        row,
        writing,
        access.is_care,
        access.may_override,
    )  # all that the text depends on; what else is asked of the caller is a value
    return sql.remembered(key, lambda: _to_organization(row, sql, writing=writing))


def _to_person(row: Subject, sql: Sql, *, writing: bool) -> str:
    if writing:
        return f"({row.name}.author = {_organization(sql)} AND {_own_record(row, sql)})"
    return f"({_open(row, sql)} OR {_own_record(row, sql)})"


def _to_organization(row: Subject, sql: Sql, *, writing: bool) -> str:
    arms = [f"{row.name}.author = {_organization(sql)}"]
    if (directory := _open(row, sql)) != "false":
        arms.append(f"({directory} AND ({_within_clearance(row, sql)}))")
    if _has_patients(row):
        shown = _within_clearance(row, sql)
        if sql.access.may_override:
            shown += f" OR {_reached(row, sql, writing=writing, overriding=True)}"
        arms.append(f"(({shown}) AND {_reached(row, sql, writing=writing)})")
    return "(" + " OR ".join(arms) + ")"


def _within_clearance(row: Subject, sql: Sql) -> str:
    clearance = sql.once("clearance", list(sql.access.clearance), "text[]")
    return f"{row.name}.labels IS NULL OR {row.name}.labels <@ {clearance}"


def may_refer(patient: str, shard: str, sql: Sql) -> str:
    """May the caller write of this patient: whom it sees, other than as a supervisor."""
    row = Subject("t", "Patient")
    seen = visible(row, sql) if sql.access.person else _writer_sees(row, sql)
    return (
        f"EXISTS (SELECT FROM fhir.patient t WHERE t.id = {patient} AND t.shard = {shard} AND NOT t.deleted AND {seen})"
    )


def founds(patient: str, shard: str, sql: Sql) -> str:
    """Has the caller a live basis on which others can be founded? A patient decides on her own record."""
    if sql.access.person is not None:
        return f"{patient} = {sql.once('person', sql.access.person, 'text')}"
    at = _at(sql)
    return (
        f"EXISTS (SELECT FROM fhir.access_grant g WHERE g.patient = {patient} AND g.shard = {shard} AND g.founds "
        f"AND g.organization = {_organization(sql)} AND g.begins <= {at} AND g.ends > {at} AND {_for_purpose('g', sql)})"
    )


def _writer_sees(row: Subject, sql: Sql) -> str:
    """A basis for the package alone shows the patient, and so lets one ask and answer."""
    if sql.access.is_system:
        return "true"
    own = f"{row.name}.author = {_organization(sql)}"
    return f"({own} OR {_basis(f'{row.name}.id', f'{row.name}.shard', row, sql, holder=_itself(sql))})"


def _open(row: Subject, sql: Sql) -> str:
    """Of the directory, and of no patient."""
    of_nobody = f"{row.name}.patient IS NULL AND {row.name}.patients IS NULL"
    if row.type is None:
        return f"({row.kind} = ANY({sql.once('directory', sorted(directory_types()), 'text[]')}) AND {of_nobody})"
    if row.type not in directory_types():
        return "false"
    return f"({of_nobody})" if _has_patients(row) else "true"


def _has_patients(row: Subject) -> bool:
    return row.type is None or bool(patient_codes(row.type)) or row.type in _INDIRECT


def _own_record(row: Subject, sql: Sql) -> str:
    person = sql.once("person", sql.access.person, "text")
    alone = f"({row.name}.patients IS NULL AND {row.name}.patient = {person})"
    return f"({alone} OR {row.name}.patients = ARRAY[{person}])"


def _reached(row: Subject, sql: Sql, *, writing: bool, overriding: bool = False) -> str:
    """By a basis for the whole record of the one patient, or for each patient of the row by any basis.

    The first is asked once where the patient is bound, and hashed where many rows are looked at.
    """
    more = (" AND g.may_write" if writing else "") + (" AND g.overrides" if overriding else "")
    is_narrow = row.is_alone or row.patient is not None
    holder = _itself(sql) if writing or overriding else _itself_or_supervised(sql, is_narrow=is_narrow)
    each = f"SELECT FROM unnest(coalesce({row.name}.patients, ARRAY[{row.name}.patient])) p"
    all_of_them = f"NOT EXISTS ({each} WHERE NOT {_basis('p', None, row, sql, holder=holder, more=more)})"
    if row.is_alone or row.type is None or patient_parameter(row.type) is None:
        return all_of_them
    patient, shard = row.patient or f"{row.name}.patient", row.shard or f"{row.name}.shard"
    whole = _basis(patient, shard, row, sql, holder=holder, more=more, resources="g.resources IS NULL")
    of_one = f"({row.name}.patients IS NULL AND {whole})"
    if row.patient is not None:
        return f"({of_one} OR {all_of_them})"
    # of many rows few are of several patients, or of one of whom only single resources are shown
    part = f"SELECT g.patient FROM fhir.access_grant g WHERE g.organization = {_organization(sql)} AND g.resources IS NOT NULL"
    return f"({of_one} OR (({row.name}.patients IS NOT NULL OR {row.name}.patient IN ({part})) AND {all_of_them}))"


def _basis(
    patient: str,
    shard: str | None,
    row: Subject,
    sql: Sql,
    *,
    holder: str,
    more: str = "",
    resources: str | None = None,
) -> str:
    at = _at(sql)
    same_shard = f"AND g.shard = {shard} " if shard else ""
    limits = resources or f"(g.resources IS NULL OR {_named(row)})"
    override = "g.overrides OR " if sql.access.may_override else ""
    return (
        f"EXISTS (SELECT FROM fhir.access_grant g WHERE g.patient = {patient} {same_shard}AND {holder} "
        f"AND g.begins <= {at} AND g.ends > {at} AND {_for_purpose('g', sql)} AND {_for_type('g', row)} AND {limits}{more} "
        f"AND ({override}NOT {_denied(row, sql)}))"
    )


def _denied(row: Subject, sql: Sql) -> str:
    """A rule that the patient's consent makes, and no exception to it."""
    exception = (
        "SELECT FROM fhir.consent_rule x WHERE x.patient = d.patient AND x.shard = d.shard AND x.source = d.source "
        f"AND x.excepts = d.number AND {_rule('x', row, sql)}"
    )
    return (
        "EXISTS (SELECT FROM fhir.consent_rule d WHERE d.patient = g.patient AND d.shard = g.shard AND d.excepts IS NULL "
        f"AND {_rule('d', row, sql)} AND NOT EXISTS ({exception}))"
    )


def _rule(name: str, row: Subject, sql: Sql) -> str:
    at, purpose = _at(sql), sql.once("purpose", sql.access.purpose, "text")
    return (
        f"({name}.organization IS NULL OR {name}.organization = {_organization(sql)} OR {name}.organization = g.organization) "
        f"AND ({name}.purposes IS NULL OR {purpose} = ANY({name}.purposes)) AND {_for_type(name, row)} "
        f"AND {name}.begins <= {at} AND {name}.ends > {at}"
    )


def _for_type(name: str, row: Subject) -> str:
    return f"({name}.types IS NULL OR {row.kind} = ANY({name}.types))"


def _for_purpose(name: str, sql: Sql) -> str:
    """For what is not care a basis must name the purpose."""
    named = f"{sql.once('purpose', sql.access.purpose, 'text')} = ANY({name}.purposes)"
    return f"({name}.purposes IS NULL OR {named})" if sql.access.is_care else f"({named})"


def _named(row: Subject) -> str:
    return f"({row.kind} || '/' || {row.name}.id) = ANY(g.resources)"


def _itself(sql: Sql) -> str:
    itself = f"g.organization = {_organization(sql)}"
    return itself if sql.access.proxy is None else f"{itself} AND {_is_proxy(sql.access.proxy, sql)}"


def _is_proxy(proxy: str, sql: Sql) -> str:
    """A proxy is one as long as the RelatedPerson of that patient is: active, and within its period."""
    today = f"to_char({_at(sql)} AT TIME ZONE '{_ZONE}', 'YYYY-MM-DD')"
    start, end = (f"left(r.body::jsonb #>> '{{period,{name}}}', 10)" for name in ("start", "end"))
    return (
        f"EXISTS (SELECT FROM fhir.relatedperson r WHERE r.id = {sql.once('proxy', proxy, 'text')} AND r.shard = g.shard "
        f"AND r.patient = g.patient AND NOT r.deleted AND NOT 'active=false' = ANY(r.tokens) "
        f"AND coalesce({start} <= left({today}, length({start})), true) "
        f"AND coalesce({end} >= left({today}, length({end})), true))"
    )


def _itself_or_supervised(sql: Sql, *, is_narrow: bool) -> str:
    """Where the patient is named, its few holders are looked at; else the bases of all these holders are fetched by their index."""
    if sql.access.proxy is not None:
        return _itself(sql)
    organization, at = _organization(sql), _at(sql)
    members = f"FROM fhir.supervision s WHERE s.lead = {organization} AND s.begins <= {at} AND s.ends > {at}"
    if is_narrow:
        supervised = f"EXISTS (SELECT {members} AND s.supervised = g.organization)"
        return f"(g.organization = {organization} OR (g.founds AND {supervised}))"
    holders = f'ARRAY(SELECT {organization} COLLATE "C" UNION ALL SELECT s.supervised {members})'
    return f"g.organization = ANY({holders}) AND (g.founds OR g.organization = {organization})"


def _organization(sql: Sql) -> str:
    return sql.once("organization", sql.access.organization, "text")


def _at(sql: Sql) -> str:
    return sql.once("at", sql.access.at, "timestamptz")
