"""One table per resource type (docs/adr/0003, docs/adr/0005).

A resource's index lies in its own row. `tokens` holds token, reference, uri and boolean values with their parameter, under GIN;
`strings` the normalised string parts and the texts of codes, `words` those of a full text search, both under GIN as lexemes, so that a
prefix of any length is an index scan; `quantities` numbers and quantities; `composites` values that stand together; `contained` the index
of the resources inside; each date parameter has its bounds as columns. `shard` is in every primary key and is never updated.
"""

from functools import cache
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, PrimaryKeyConstraint, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE

from services.fhir.definitions import resource_types
from services.fhir.search.index import date_parameters, patient_parameter
from services.fhir.store.tables.columns import BYTEWISE, INSTANT, access_columns, metadata

UNSTORED: Final = frozenset(
    {"Parameters"}
)  # http://hl7.org/fhir/R4/parameters.html: "there is no RESTful endpoint associated with it"


@cache
def stored_types() -> tuple[str, ...]:
    return tuple(t for t in resource_types() if t not in UNSTORED)


@cache
def resource_table(resource_type: str) -> Table:
    name = resource_type.lower()
    dates = date_parameters(resource_type)
    table = Table(
        name,
        metadata,
        Column("id", BYTEWISE, nullable=False),
        Column("shard", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("updated", INSTANT, nullable=False),
        Column("method", Text, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("body", Text),
        Column("patient", BYTEWISE),
        *access_columns(),
        Column("tokens", ARRAY(BYTEWISE), nullable=False),
        Column("strings", ARRAY(BYTEWISE), nullable=False),
        Column("words", ARRAY(BYTEWISE), nullable=False),
        Column("quantities", JSONB),
        Column("composites", JSONB),
        Column("contained", JSONB),
        *(Column(f"{d.column}_{end}", INSTANT) for d in dates for end in ("lo", "hi")),
        *(Column(f"{d.column}_each", ARRAY(TSTZRANGE)) for d in dates if d.repeats),
        PrimaryKeyConstraint("id", "shard", name=f"{name}_pkey"),
    )
    Index(f"{name}_updated", table.c.updated, table.c.id)
    Index(f"{name}_tokens", table.c.tokens, postgresql_using="gin")
    lexemes = (func.array_to_tsvector(table.c.strings), func.array_to_tsvector(table.c.words))
    Index(f"{name}_strings", *lexemes, postgresql_using="gin")
    if patient_parameter(resource_type) not in (None, "_id"):
        timeline = [table.c[f"{timeline_column(resource_type)}_lo"].desc().nulls_last()] if dates else []
        Index(
            f"{name}_patient",
            table.c.patient,
            table.c.shard,
            *timeline,
            table.c.id,
            postgresql_where=text("NOT deleted"),
        )
    return table


def timeline_column(resource_type: str) -> str:
    """The date parameter by which a patient's resources of this type are usually read: the type's own date, else its first."""
    columns = [d.column for d in date_parameters(resource_type)]
    return next(
        (c for c in ("date", "authored_on", "authored", "period", "recorded_date", "created") if c in columns),
        columns[0],
    )
