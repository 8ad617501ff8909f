"""What a Subscription asks for, read from the resource: http://hl7.org/fhir/R4/subscription.html

`criteria` is the canonical of a topic, narrowed by filters; R4's own form, a search, counts as the topic resource-changed narrowed by it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from services.fhir.access.grants import instant_of
from services.fhir.national_ids import holds_national_id
from services.fhir.outcomes import unprocessable
from services.fhir.search.holding import Held
from services.fhir.subscriptions.channel import BACKPORT, Channel, read_channel
from services.fhir.subscriptions.filters import Filters, Reading, read_filters, trigger_tests
from services.fhir.subscriptions.topics import ANY_RESOURCE, BY_URL, Topic

Json = dict[str, Any]

FILTER: Final = f"{BACKPORT}-filter-criteria"
_CRITERIA: Final = "Subscription.criteria"


class Wanted(msgspec.Struct, frozen=True):
    status: str
    topic: Topic
    triggers: Filters
    filters: Filters
    channel: Channel
    end: datetime | None

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types whose versions it looks at."""
        return tuple(each.type for each in self.topic.triggers) or tuple(self.filters)

    def wants(self, resource_type: str, values: Held) -> bool:
        tests = (*self.triggers.get(resource_type, ()), *self.filters.get(resource_type, ()))
        return resource_type in self.types and all(test.holds(values) for test in tests)


def read_wanted(resource: Json, reading: Reading) -> Wanted:
    """422 for what this server does not do, at the element that asks for it."""
    criteria, status = resource.get("criteria", ""), resource.get("status")
    if status is None:
        raise unprocessable(
            "a subscription has a status", code="required", text="缺少状态", expression=("Subscription.status",)
        )
    filters = _filters(resource.get("_criteria", {}))
    if "?" in criteria and not criteria.startswith(("http://", "https://")):
        topic, filters = ANY_RESOURCE, [criteria, *filters]
    else:
        topic = _topic(criteria)
    if any(map(holds_national_id, (*filters, resource["channel"].get("endpoint", "")))):
        raise unprocessable(
            "A national ID stands in no criteria and no URL; name the patient by a reference",
            code="security",
            text="条件与地址中不得含有身份证号",
            expression=(_CRITERIA,),
        )
    if not topic.triggers and not filters:
        raise unprocessable(
            f"{topic.name} needs a filter that names a type, such as Observation?patient=Patient/1",
            code="required",
            text="须以过滤条件指明资源类型",
            expression=(_CRITERIA,),
        )
    return Wanted(
        status,
        topic,
        trigger_tests(topic, reading),
        read_filters(filters, topic, reading, _CRITERIA),
        read_channel(resource["channel"]),
        instant_of(resource.get("end")),
    )


def _topic(criteria: str) -> Topic:
    topic = BY_URL.get(criteria.partition("|")[0])
    if topic is None:
        raise unprocessable(
            f"criteria is a search such as Task?owner=Organization/1, or one of {', '.join(BY_URL)}",
            code="not-supported",
            text="不支持该订阅主题",
            expression=(_CRITERIA,),
        )
    return topic


def _filters(criteria: Mapping[str, Any]) -> list[str]:
    return [each.get("valueString", "") for each in criteria.get("extension", ()) if each["url"] == FILTER]
