"""What one can subscribe to, as data: http://hl7.org/fhir/R5/subscriptiontopic.html

R4 has no SubscriptionTopic: each is published as a Basic in the form of R5's own elements (`Subscription/$topics`), and its URL in the
CapabilityStatement: http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition-capabilitystatement-subscriptiontopic-canonical.html
"""

from typing import Any, Final

import msgspec

Json = dict[str, Any]

_TOPIC: Final = "https://yiyang.example/fhir/SubscriptionTopic"
_R5: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
_TYPE: Final = "http://hl7.org/fhir/StructureDefinition"
ADVERTISED: Final = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)


class Trigger(msgspec.Struct, frozen=True):
    """Versions of `type` that match `criteria`, all where it is empty; `filters` are what a subscriber may narrow them by."""

    type: str
    criteria: str = ""
    filters: tuple[str, ...] = ()


class Topic(msgspec.Struct, frozen=True):
    """Without triggers: any type, which a filter must name, by any of its token, reference and uri parameters."""

    name: str
    title: str
    description: str
    triggers: tuple[Trigger, ...] = ()

    @property
    def url(self) -> str:
        return f"{_TOPIC}/{self.name}"

    def trigger(self, resource_type: str) -> Trigger | None:
        if not self.triggers:
            return Trigger(resource_type)
        return next((each for each in self.triggers if each.type == resource_type), None)


# fmt: off
TOPICS: Final = (
    Topic("referral-changed", "转诊变化 · A referral changed", "双向转诊任务的每一步：提交、接收、拒绝、安排、到诊、回执、结案等。Every step of a two-way referral.", (
        Trigger("Task", "code=referral,abort", (
            "_id", "business-status", "code", "focus", "group-identifier", "owner", "patient", "performer", "priority", "requester", "status", "subject",
        )),
    )),
    Topic("alert", "预警 · An alert was raised or handled", "健康预警（DetectedIssue）与标记（Flag）的产生、处置与解除。An alert and its flag, raised, handled or lifted.", (
        Trigger("DetectedIssue", "", ("_id", "author", "code", "implicated", "patient")),
        Trigger("Flag", "", ("_id", "author", "encounter", "patient", "subject")),
    )),
    Topic("care-plan-changed", "照护计划变化 · A care plan changed", "照护计划的制定、修订与结束。A care plan was made, revised or ended.", (
        Trigger("CarePlan", "", ("_id", "activity-code", "based-on", "care-team", "category", "condition", "encounter", "intent", "patient", "status", "subject")),
    )),
    Topic("resource-changed", "资源变化 · A resource changed", "任一类型资源的新增、修改与删除，须以过滤条件指明类型。Any resource; the filter must name its type."),
)
# fmt: on
BY_URL: Final = {topic.url: topic for topic in TOPICS}
ANY_RESOURCE: Final = TOPICS[-1]


def published(topic: Topic) -> Json:
    """http://hl7.org/fhir/uv/subscriptions-backport/: "topic definitions in R4 … a Basic resource", with R5's elements as extensions."""
    return {
        "resourceType": "Basic",
        "id": f"topic-{topic.name}",
        "extension": [
            {"url": f"{_R5}.url", "valueUri": topic.url},
            {"url": f"{_R5}.title", "valueString": topic.title},
            {"url": f"{_R5}.description", "valueMarkdown": topic.description},
            *map(_resource_trigger, topic.triggers),
            *(_can_filter_by(each.type, code) for each in topic.triggers for code in each.filters),
        ],
        "modifierExtension": [{"url": f"{_R5}.status", "valueCode": "active"}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]},
    }


def _resource_trigger(trigger: Trigger) -> Json:
    criteria = [{"url": "queryCriteria", "extension": [{"url": "current", "valueString": trigger.criteria}]}]
    parts = [{"url": "supportedInteraction", "valueCode": code} for code in ("create", "update", "delete")]
    resource = {"url": "resource", "valueUri": f"{_TYPE}/{trigger.type}"}
    return {"url": f"{_R5}.resourceTrigger", "extension": [resource, *parts, *(criteria if trigger.criteria else ())]}


def _can_filter_by(resource_type: str, code: str) -> Json:
    resource = {"url": "resource", "valueUri": resource_type}
    return {"url": f"{_R5}.canFilterBy", "extension": [resource, {"url": "filterParameter", "valueString": code}]}
