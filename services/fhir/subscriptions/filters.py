"""Filters of a subscription, read as search criteria and held against one resource: http://hl7.org/fhir/R5/subscription.html#filters

A resource is held against them by the values that would be its index, so a filter means what the same search means.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec

from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.search.holding import Held, held
from services.fhir.search.keys import keys_of
from services.fhir.search.parse import parse_criteria
from services.fhir.search.query import Condition, Match, TokenValue
from services.fhir.subscriptions.topics import Topic

Json = dict[str, Any]

UNWATCHED: Final = frozenset({"AuditEvent", "Parameters", "Subscription"})  # what notifying itself would change
_KINDS: Final = frozenset({"token", "reference", "uri"})
MOST: Final = 20


class Reading(msgspec.Struct, frozen=True):
    """With what criteria are read: the own base, the zone of dates, the time."""

    base: str
    zone: tzinfo
    now: datetime


class Test(msgspec.Struct, frozen=True):
    """Any of the keys is among the tokens of a resource, or none where `negated`; `_id` is its id."""

    parameter: str
    keys: frozenset[str]
    negated: bool

    def holds(self, values: Held) -> bool:
        found = values.id in self.keys if self.parameter == "_id" else not self.keys.isdisjoint(values.tokens)
        return found is not self.negated


def values_of(resource: Json, reading: Reading) -> Held:
    return held(resource, reading.base, reading.zone)


Filters = Mapping[str, tuple[Test, ...]]
"""All tests of a type hold together; a type that no filter names passes as the topic triggers it."""


def read_filters(texts: Iterable[str], topic: Topic, reading: Reading, where: str) -> Filters:
    """`Type?criteria` each; 422 for what the topic cannot be narrowed by, at the element `where`."""
    found: dict[str, tuple[Test, ...]] = {}
    for text in texts:
        resource_type, mark, criteria = text.partition("?")
        trigger = topic.trigger(resource_type) if resource_type not in UNWATCHED else None
        if not mark or trigger is None:
            raise _refused(f"{text.partition('?')[0][:64]}: not a type of {topic.name}", where)
        found[resource_type] = found.get(resource_type, ()) + _tests(resource_type, criteria, reading, where)
        for test in found[resource_type]:
            if topic.triggers and test.parameter not in trigger.filters:
                raise _refused(
                    f"{topic.name} is filtered by {', '.join(trigger.filters)}, not by {test.parameter}", where
                )
    if sum(map(len, found.values())) > MOST:
        raise _refused(f"more than {MOST} criteria", where)
    return found


def trigger_tests(topic: Topic, reading: Reading) -> Filters:
    """What the topic itself asks of a version."""
    return {
        each.type: _tests(each.type, each.criteria, reading, "") if each.criteria else () for each in topic.triggers
    }


def _tests(resource_type: str, criteria: str, reading: Reading, where: str) -> tuple[Test, ...]:
    if not criteria:
        return ()
    try:
        query = parse_criteria(resource_type, criteria, now=reading.now, base=reading.base, zone=reading.zone)
    except FhirError as error:
        issue = msgspec.structs.replace(error.issues[0], expression=(where,))
        raise FhirError(422, (issue,)) from error
    return tuple(_test(each, where) for each in query.conditions)


def _test(condition: Condition, where: str) -> Test:
    if not isinstance(condition, Match) or condition.type not in _KINDS or condition.modifier not in (None, "not"):
        raise _refused("a filter takes token, reference and uri parameters, plain or with :not", where)
    if condition.parameter == "_id":
        keys = [value.code or "" for value in condition.values if isinstance(value, TokenValue)]
    else:
        keys = [key for value in condition.values for key in keys_of(condition.parameter, value)]
    return Test(condition.parameter, frozenset(keys), condition.modifier == "not")


def _refused(diagnostics: str, where: str) -> FhirError:
    return unprocessable(diagnostics, code="not-supported", text="订阅的过滤条件不受支持", expression=(where,))
