"""The criteria of `_typeFilter`: https://hl7.org/fhir/uv/bulkdata/STU2/export.html#_typefilter-experimental-query-parameter"""

from datetime import datetime

from services.fhir.bulk.job import Export
from services.fhir.outcomes import bad_request
from services.fhir.search.parse import parse_criteria
from services.fhir.search.query import SearchQuery
from services.fhir.service import Service


def parse_filters(asked: Export, now: datetime, service: Service) -> dict[str, tuple[SearchQuery, ...]]:
    """Criteria alone, and only of types that are exported; FhirError 400 for anything else."""
    for name in asked.filters:
        if name not in asked.types:
            raise bad_request(
                f"_typeFilter: {name[:64]} is not among the types of this export",
                code="value",
                text="过滤条件的类型不在导出范围内",
            )
    return {
        name: tuple(parse_criteria(name, text, now=now, base=service.base, zone=service.zone) for text in texts)
        for name, texts in asked.filters.items()
    }
