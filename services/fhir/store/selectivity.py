"""Which searches find few rows whatever the size of a table: https://www.postgresql.org/docs/current/planner-stats-details.html

A generic plan does not see the values. With a LIMIT and the order of the primary key it rather walks that key than look an identifier up,
which was measured at 6 ms among 20,000 patients and grows with them. Where the value names a thing, the order is therefore written so that
no index has it: what was found by the value is sorted.
"""

from typing import Final

from services.fhir.search.paths import branches
from services.fhir.search.query import Condition, Match, SearchQuery
from services.fhir.search.registry import remembered, search_parameters

_NAMED: Final = frozenset({"Identifier", "ContactPoint"})


def finds_few(query: SearchQuery) -> bool:
    return any(_names_a_thing(query.type, condition) for condition in query.conditions)


def _names_a_thing(resource_type: str, condition: Condition) -> bool:
    if not isinstance(condition, Match) or condition.modifier:
        return False
    if condition.type in ("reference", "uri"):
        return not condition.parameter.startswith("_")
    code, _, _ = condition.parameter.partition(":")
    return condition.type == "token" and _is_of_identifiers(resource_type, code)


@remembered
def _is_of_identifiers(resource_type: str, code: str) -> bool:
    parameter = search_parameters(resource_type).get(code)
    found = branches(parameter.expression, resource_type) if parameter and parameter.expression else ()
    return any(branch.type in _NAMED for branch in found)
