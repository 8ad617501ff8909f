"""What among the types of referral only the platform writes: the Task and the call of an alert follow the alert (docs/adr/0041)."""

from typing import Final

from services.fhir.business import Json, Reserved
from services.fhir.elements import CANONICAL

_ALERT: Final = f"{CANONICAL}/sid/alert"


def _is_of_alert(resource: Json) -> bool:
    return any(each.get("system") == _ALERT for each in resource.get("identifier", ()))


RESERVED: Final[Reserved] = {"Task": _is_of_alert, "Communication": _is_of_alert}
