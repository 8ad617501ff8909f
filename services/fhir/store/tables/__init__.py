"""The tables of schema `fhir`: one per resource type, and those that all types share (docs/adr/0003, docs/adr/0005).

`shard` is in every primary key and is never updated.
"""

from functools import cache

from sqlalchemy import MetaData

from services.fhir.store.tables import (  # noqa: F401 - each adds its tables to the metadata
    access,
    audit,
    notifications,
    versions,
    work,
)
from services.fhir.store.tables.columns import SCHEMA, metadata
from services.fhir.store.tables.resources import UNSTORED, resource_table, stored_types, timeline_column

__all__ = ["SCHEMA", "UNSTORED", "all_tables", "stored_types", "timeline_column"]


@cache
def all_tables() -> MetaData:
    """Every table of the schema, for a test to compare the migrated database with."""
    for resource_type in stored_types():
        resource_table(resource_type)
    return metadata
