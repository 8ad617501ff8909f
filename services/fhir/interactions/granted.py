"""What is written must be what the scopes grant, as what it replaces is (docs/adr/0049).

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from services.fhir.interactions.draft import Draft
from services.fhir.outcomes import forbidden
from services.fhir.scopes import CREATE, UPDATE
from services.fhir.service import Service


def check_granted(drafted: Draft, service: Service) -> None:
    """403 for a version outside the parameters of the scopes; what is there was looked at when it was read to be replaced."""
    limits, resource = service.stores.access.limits, drafted.resource
    if limits is None or resource is None:
        return
    intent, current = drafted.intent, drafted.current
    is_new = current is None or current.is_deleted
    letters = CREATE if intent.method == "POST" else UPDATE + CREATE if is_new else UPDATE
    if limits.admits(letters, {**resource, "id": intent.id}):
        return
    raise forbidden(
        f"The token's scopes grant only some {intent.type}, and this one is not among them",
        text="令牌仅授权部分资源，写入内容超出授权范围",
        expression=(intent.type,),
    )
