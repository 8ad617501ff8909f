"""What the columns of all tables have in common: https://www.postgresql.org/docs/current/collation.html"""

from typing import Any, Final

from sqlalchemy import Column, DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY

SCHEMA: Final = "fhir"

# Every caller sorts ids and tokens bytewise: no collation may stand between a page link and its next row.
BYTEWISE: Final = Text(collation="C")
INSTANT: Final = DateTime(timezone=True)

metadata: Final = MetaData(schema=SCHEMA)


def access_columns() -> tuple[Column[Any], ...]:
    """By what a row is seen (store/access.py): who made it, whom it is about where `patient` does not say it all, its labels."""
    return (Column("author", Text), Column("patients", ARRAY(BYTEWISE)), Column("labels", ARRAY(Text)))
